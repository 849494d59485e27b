"""What the predictors of exact laws share: their fixed part, leaves, and where a string stands."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from identjax.predictor import Predictor
from identjax.vocabulary import Vocabulary

# Where a string stands: nothing read yet, being read, ended, or impossible.
FRESH, READING, ENDED, DEAD = range(4)


@dataclasses.dataclass(frozen=True)
class Law(Predictor):
    """A predictor whose numbers are the fields after its vocabulary and maximum length."""

    vocabulary: Vocabulary = dataclasses.field(metadata={"static": True})
    max_length: int = dataclasses.field(metadata={"static": True})


def as_leaf(numbers: npt.ArrayLike, dtype: jax.typing.DTypeLike | None = None) -> jax.Array:
    """Make an array at once, also where a law is made while a program is traced."""
    with jax.ensure_compile_time_eval():
        return jnp.asarray(numbers, dtype)


def as_log_leaf(p: npt.ArrayLike) -> jax.Array:
    """Make an array of logs, −inf for 0."""
    with np.errstate(divide="ignore"):
        return as_leaf(np.log(p), jnp.float32)


def next_mode(
    v: Vocabulary, mode: jax.Array, token: jax.Array, reads: jax.Array, may_end: jax.Array | bool
) -> jax.Array:
    """Give the mode after a token: `reads` says that it is a symbol that may be read here."""
    begins = (mode == FRESH) & (token == v.bos)
    ends = (mode == READING) & (token == v.eos) & may_end | (mode == ENDED) & (token == v.pad)
    after = jnp.where(begins | reads, READING, jnp.where(ends, ENDED, DEAD))
    return after.astype(jnp.int32)


def place_marks(v: Vocabulary, symbols_S: jax.Array, end: jax.Array, mode: jax.Array) -> jax.Array:
    """Put a law over symbols and EOS where a string is being read; PAD after its end."""
    none = jnp.full(2, -jnp.inf, symbols_S.dtype)
    reading_V = jnp.concatenate([symbols_S, end[None], none])
    pad_V = jnp.where(jnp.arange(v.size) == v.pad, 0, -jnp.inf).astype(symbols_S.dtype)
    after_V = jnp.where(mode == ENDED, pad_V, -jnp.inf)
    return jnp.where(mode == READING, reading_V, after_V)
