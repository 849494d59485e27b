"""Nested brackets: a table says open, close or end, and a stack which kind is closed.

All kinds of brackets are alike, so the law of the shape is a table and the kinds are uniform.
Axes: N string, T position, Q control row, W word of a stack; o opening and c closing brackets.
"""

import abc
import dataclasses
import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from identjax.languages.law.base import Law, as_leaf
from identjax.languages.law.draw import sample_by_scan, score_by_views
from identjax.languages.law.even import EvenSampler, frame_even
from identjax.predictor import State
from identjax.vocabulary import Vocabulary

OPEN, CLOSE, END = range(3)
# Opening and closing brackets so far, and stacks, [N] each.
Shapes = tuple[jax.Array, jax.Array, jax.Array]


class BracketStack(NamedTuple):
    """Where a string stands: control row, depth, and the kinds on the stack as bits of words [W],
    the top in the lowest bits of the first.
    """

    row: jax.Array
    depth: jax.Array
    stack: jax.Array


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class NestedBrackets(Law):
    """Brackets of K kinds; symbols 2k and 2k+1 open and close kind k.

    next_row [Q+3, 2, V] is the control row after each token, at depth 0 and deeper; log_p
    [Q+3, K+1, V] is the law at depth 0 and under each kind of bracket. The last three rows are:
    nothing read yet, ended, dead.
    """

    next_row: jax.Array
    log_p: jax.Array

    def start(self) -> State:
        fresh = jnp.int32(self.log_p.shape[0] - 3)
        return BracketStack(fresh, jnp.int32(0), empty_stack(self.vocabulary, self.max_length))

    def advance(self, state: State, token: jax.Array) -> State:
        """Push or pop; a closing bracket must be of the kind on top."""
        v, dead = self.vocabulary, self.log_p.shape[0] - 1
        known = (token >= 0) & (token < v.size)
        symbol, kind = known & (token < v.eos), token // 2
        opens, closes = symbol & (token % 2 == 0), symbol & (token % 2 == 1)
        deep = (state.depth > 0).astype(jnp.int32)
        row = self.next_row[state.row, deep, jnp.where(known, token, 0)]
        fits = known & (~closes | (top_of(state.stack, v) == kind))
        pushed, popped = push_and_pop(state.stack, kind, v)
        return BracketStack(
            jnp.where(fits, row, dead),
            state.depth + opens.astype(jnp.int32) - closes.astype(jnp.int32),
            jnp.where(opens, pushed, jnp.where(closes, popped, state.stack)),
        )

    def log_probs(self, state: State) -> jax.Array:
        return self._law(self._view(state))

    def score(self, tokens_NxT: jax.Array) -> jax.Array:
        return score_by_views(self, tokens_NxT, self._view, self._law)

    @functools.partial(jax.jit, static_argnames=("n",))
    def sample(self, key: jax.Array, n: int) -> jax.Array:
        return sample_by_scan(self, key, n)

    def _view(self, state: BracketStack) -> jax.Array:
        above = jnp.where(state.depth > 0, 1 + top_of(state.stack, self.vocabulary), 0)
        return state.row * self.log_p.shape[1] + above

    def _law(self, view: jax.Array) -> jax.Array:
        return self.log_p.reshape(-1, self.vocabulary.size)[view]


def kind_bits(vocabulary: Vocabulary) -> int:
    """How many bits tell the kinds apart: 1 or 2, so that none is cut by the end of a word."""
    return 1 if vocabulary.eos <= 4 else 2


def empty_stack(vocabulary: Vocabulary, max_length: int) -> jax.Array:
    """Give words [W] for half as many kinds as there are symbols in a string."""
    words = -(-kind_bits(vocabulary) * (max_length // 2) // 32)
    return jnp.zeros(max(1, words), jnp.uint32)


def top_of(stack_W: jax.Array, vocabulary: Vocabulary) -> jax.Array:
    """Give the kind on top, 0 where there is none."""
    return (stack_W[0] & np.uint32(2 ** kind_bits(vocabulary) - 1)).astype(jnp.int32)


def push_and_pop(
    stack_W: jax.Array, kind: jax.Array, vocabulary: Vocabulary
) -> tuple[jax.Array, jax.Array]:
    """Give the stack with one more kind on it, and with one less."""
    up, down = np.uint32(kind_bits(vocabulary)), np.uint32(32 - kind_bits(vocabulary))
    none = jnp.zeros(1, jnp.uint32)
    before, after = (jnp.concatenate(pair) for pair in ([none, stack_W[:-1]], [stack_W[1:], none]))
    pushed = (stack_W << up | before >> down).at[0].add(kind.astype(jnp.uint32))
    return pushed, stack_W >> up | after << down


def make_brackets(
    next_row_Qx2: np.ndarray, law_Qx2x3: np.ndarray, vocabulary: Vocabulary, max_length: int
) -> NestedBrackets:
    """Make the Predictor of a control table: the rows after an opening and a closing bracket, and
    the law of open, close and end at depth 0 and deeper.
    """
    v, q = vocabulary, len(law_Qx2x3)
    kinds, (fresh, ended, dead) = v.eos // 2, (q, q + 1, q + 2)
    log_p = np.full((q + 3, kinds + 1, v.size), -np.inf, np.float32)
    deeper = np.minimum(np.arange(kinds + 1), 1)
    log_p[:q, :, : v.eos : 2] = law_Qx2x3[:, deeper, OPEN, None] - np.log(kinds)
    log_p[:q, :, v.eos] = law_Qx2x3[:, deeper, END]
    for kind in range(kinds):
        log_p[:q, 1 + kind, 2 * kind + 1] = law_Qx2x3[:, 1, CLOSE]
    log_p[ended, :, v.pad] = 0
    next_row = np.full((q + 3, 2, v.size), dead, np.int32)
    possible = law_Qx2x3 > -np.inf
    for token in range(v.eos):
        move = token % 2
        next_row[:q, :, token] = np.where(possible[..., move], next_row_Qx2[:, move, None], dead)
    next_row[:q, :, v.eos] = np.where(possible[..., END], ended, dead)
    next_row[fresh, :, v.bos] = 0
    next_row[ended, :, v.pad] = ended
    return NestedBrackets(vocabulary, max_length, as_leaf(next_row), as_leaf(log_p))


@dataclasses.dataclass(frozen=True)
class NestedByLength(EvenSampler):
    """Draws nested brackets of given lengths; the numbers are a table of p(open)."""

    @abc.abstractmethod
    def look_up(self, lengths_N: jax.Array, o_N: jax.Array, c_N: jax.Array) -> jax.Array:
        """Give p(open | length, brackets so far)."""

    @jax.jit
    def sample(self, key: jax.Array, lengths_N: jax.Array) -> jax.Array:
        """Draw the shape bracket by bracket, and the kinds as they open."""
        n, v = lengths_N.shape[0], self.vocabulary
        shape_key, kind_key = (jax.random.fold_in(key, purpose) for purpose in range(2))
        u_TxN = jax.random.uniform(shape_key, (self.max_length, n))
        kinds_TxN = jax.random.randint(kind_key, (self.max_length, n), 0, v.eos // 2, jnp.int32)
        move = jax.vmap(functools.partial(push_and_pop, vocabulary=v))
        look = jax.vmap(functools.partial(top_of, vocabulary=v))

        def step(state: Shapes, column: tuple[jax.Array, jax.Array]) -> tuple[Shapes, jax.Array]:
            o_N, c_N, stack_NxW = state
            u_N, kind_N = column
            writes_N = o_N + c_N < lengths_N
            opens_N = writes_N & (u_N < self.look_up(lengths_N, o_N, c_N))
            closes_N = writes_N & ~opens_N
            token_N = jnp.where(opens_N, 2 * kind_N, 2 * look(stack_NxW) + 1)
            pushed_NxW, popped_NxW = move(stack_NxW, kind_N)
            stack_NxW = jnp.where(opens_N[:, None], pushed_NxW, popped_NxW)
            counts = o_N + opens_N.astype(jnp.int32), c_N + closes_N.astype(jnp.int32)
            return (*counts, stack_NxW), jnp.where(writes_N, token_N, v.pad)

        zeros_N = jnp.zeros(n, jnp.int32)
        empty_W = empty_stack(v, self.max_length)
        start = zeros_N, zeros_N, jnp.broadcast_to(empty_W, (n, *empty_W.shape))
        _, tokens_TxN = lax.scan(step, start, (u_TxN, kinds_TxN))
        return frame_even(tokens_TxN.T, lengths_N, v)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class CappedByLength(NestedByLength):
    """p(open | pairs, o, c), [H+1, H+1, H+1]."""

    def look_up(self, lengths_N: jax.Array, o_N: jax.Array, c_N: jax.Array) -> jax.Array:
        return self.numbers[lengths_N // 2, o_N, c_N]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class DyckByLength(NestedByLength):
    """p(open | symbols left, depth), [L+1, depth+1]."""

    def look_up(self, lengths_N: jax.Array, o_N: jax.Array, c_N: jax.Array) -> jax.Array:
        return self.numbers[jnp.maximum(lengths_N - o_N - c_N, 0), o_N - c_N]
