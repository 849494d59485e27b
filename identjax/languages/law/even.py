"""Languages whose strings have even lengths only."""

import jax
import jax.numpy as jnp
import numpy as np

from identjax.vocabulary import Vocabulary


def spread_evenly(max_length: int) -> np.ndarray:
    """The law of lengths that is uniform on 2, 4, … up to the maximum, [max_length+1]."""
    half = max_length // 2
    found = np.zeros(max_length + 1)
    found[2 : 2 * half + 1 : 2] = 1 / half
    return found


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
