"""Where a string stands: nothing read yet, being read, ended, or impossible."""

import jax
import jax.numpy as jnp

from identjax.vocabulary import Vocabulary

FRESH, READING, ENDED, DEAD = range(4)


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
