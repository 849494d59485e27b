"""Languages whose strings have even lengths only."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np

from identjax.languages.definition import Definition, LengthSampler
from identjax.vocabulary import Vocabulary


@dataclasses.dataclass(frozen=True)
class EvenDefinition(Definition):
    """A language of strings of even lengths, uniform on 2, 4, … unless it says otherwise."""

    @property
    def least(self) -> int:
        return 2

    @property
    def half(self) -> int:
        """Half the longest length."""
        return self.max_length // 2

    @functools.cached_property
    def length_probs(self) -> np.ndarray:
        found = np.zeros(self.max_length + 1)
        found[2 : 2 * self.half + 1 : 2] = 1 / self.half
        return found


@dataclasses.dataclass(frozen=True)
class EvenSampler(LengthSampler):
    """Draws strings of given even lengths; some have no numbers, but samplers stack by a leaf."""

    numbers: jax.Array
    vocabulary: Vocabulary = dataclasses.field(metadata={"static": True})
    max_length: int = dataclasses.field(metadata={"static": True})

    def sample_lengths_too(self, key: jax.Array, n: int) -> jax.Array:
        """Draw n strings of even lengths, all alike likely."""
        length_key, string_key = (jax.random.fold_in(key, purpose) for purpose in range(2))
        halves_N = jax.random.randint(length_key, (n,), 1, self.max_length // 2 + 1, jnp.int32)
        return self.sample(string_key, 2 * halves_N)


def frame_even(symbols_NxL: jax.Array, lengths_N: jax.Array, vocabulary: Vocabulary) -> jax.Array:
    """Put BOS and EOS around drawn strings of even lengths; all PAD where there is no such one."""
    n, longest = symbols_NxL.shape
    pad_Nx1 = jnp.full((n, 1), vocabulary.pad, jnp.int32)
    tokens = jnp.concatenate([symbols_NxL.astype(jnp.int32), pad_Nx1], 1)
    at_end = jnp.arange(longest + 1)[None] == lengths_N[:, None]
    tokens = jnp.where(at_end, vocabulary.eos, tokens)
    real_N = (lengths_N > 0) & (lengths_N % 2 == 0) & (lengths_N <= longest)
    tokens = jnp.where(real_N[:, None], tokens, vocabulary.pad)
    return jnp.concatenate([jnp.full((n, 1), vocabulary.bos, jnp.int32), tokens], 1)
