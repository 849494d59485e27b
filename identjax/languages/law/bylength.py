"""Drawing nested brackets of given lengths.

Axes: N string, T position, W word of a stack; o opening and c closing brackets so far, n pairs.
"""

import dataclasses
import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax

from identjax.languages.definition import LengthSampler
from identjax.languages.law.brackets import empty_stack, push_and_pop, top_of
from identjax.vocabulary import Vocabulary


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class CappedByLength(LengthSampler):
    """p(open | pairs n, opens o, closes c), [H+1, H+1, H+1]."""

    p_open: jax.Array
    vocabulary: Vocabulary = dataclasses.field(metadata={"static": True})
    max_length: int = dataclasses.field(metadata={"static": True})

    @jax.jit
    def sample(self, key: jax.Array, lengths_N: jax.Array) -> jax.Array:
        """Draw the shape bracket by bracket, and the kinds as they open."""

        def p_open(o_N: jax.Array, c_N: jax.Array) -> jax.Array:
            return self.p_open[lengths_N // 2, o_N, c_N]

        return draw_nested(key, lengths_N, p_open, self.vocabulary, self.max_length)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class DyckByLength(LengthSampler):
    """p(open | symbols left, depth), [L+1, depth+1]."""

    p_open: jax.Array
    vocabulary: Vocabulary = dataclasses.field(metadata={"static": True})
    max_length: int = dataclasses.field(metadata={"static": True})

    @jax.jit
    def sample(self, key: jax.Array, lengths_N: jax.Array) -> jax.Array:
        """Draw the shape bracket by bracket, and the kinds as they open."""

        def p_open(o_N: jax.Array, c_N: jax.Array) -> jax.Array:
            return self.p_open[jnp.maximum(lengths_N - o_N - c_N, 0), o_N - c_N]

        return draw_nested(key, lengths_N, p_open, self.vocabulary, self.max_length)


def draw_nested(
    key: jax.Array,
    lengths_N: jax.Array,
    p_open: Callable[[jax.Array, jax.Array], jax.Array],
    vocabulary: Vocabulary,
    max_length: int,
) -> jax.Array:
    """Draw nested brackets of given even lengths; all PAD where a length is odd, 0 or too large."""
    n, kinds = lengths_N.shape[0], vocabulary.eos // 2
    shape_key, kind_key = (jax.random.fold_in(key, purpose) for purpose in range(2))
    u_TxN = jax.random.uniform(shape_key, (max_length, n))
    kinds_TxN = jax.random.randint(kind_key, (max_length, n), 0, kinds, jnp.int32)
    move = jax.vmap(functools.partial(push_and_pop, vocabulary=vocabulary))
    look = jax.vmap(functools.partial(top_of, vocabulary=vocabulary))

    def step(
        state: tuple[jax.Array, jax.Array, jax.Array], column: tuple[jax.Array, jax.Array]
    ) -> tuple[tuple[jax.Array, jax.Array, jax.Array], jax.Array]:
        o_N, c_N, stack_NxW = state
        u_N, kind_N = column
        writes_N = o_N + c_N < lengths_N
        opens_N = writes_N & (u_N < p_open(o_N, c_N))
        closes_N = writes_N & ~opens_N
        token_N = jnp.where(opens_N, 2 * kind_N, 2 * look(stack_NxW) + 1)
        pushed_NxW, popped_NxW = move(stack_NxW, kind_N)
        stack_NxW = jnp.where(opens_N[:, None], pushed_NxW, popped_NxW)
        counts = o_N + opens_N.astype(jnp.int32), c_N + closes_N.astype(jnp.int32)
        return (*counts, stack_NxW), jnp.where(writes_N, token_N, vocabulary.pad)

    zeros_N = jnp.zeros(n, jnp.int32)
    empty_W = empty_stack(vocabulary, max_length)
    start = zeros_N, zeros_N, jnp.broadcast_to(empty_W, (n, *empty_W.shape))
    _, tokens_TxN = lax.scan(step, start, (u_TxN, kinds_TxN))
    return frame_drawn(tokens_TxN.T, lengths_N, vocabulary)


def frame_drawn(symbols_NxL: jax.Array, lengths_N: jax.Array, vocabulary: Vocabulary) -> jax.Array:
    """Put BOS and EOS around drawn pairs of brackets; all PAD where there is no such length."""
    n, longest = symbols_NxL.shape
    pad_Nx1 = jnp.full((n, 1), vocabulary.pad, jnp.int32)
    tokens = jnp.concatenate([symbols_NxL.astype(jnp.int32), pad_Nx1], 1)
    at_end = jnp.arange(longest + 1)[None] == lengths_N[:, None]
    tokens = jnp.where(at_end, vocabulary.eos, tokens)
    real_N = (lengths_N > 0) & (lengths_N % 2 == 0) & (lengths_N <= longest)
    tokens = jnp.where(real_N[:, None], tokens, vocabulary.pad)
    return jnp.concatenate([jnp.full((n, 1), vocabulary.bos, jnp.int32), tokens], 1)
