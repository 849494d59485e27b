"""A Predictor of nested brackets: a control table says open, close or end, a stack which close.

All kinds of brackets are alike, so the law of the shape is a table and the kinds are uniform.
Axes: N string, T position, Q control row, D depth.
"""

import dataclasses
import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from identjax.languages.draw import sample_by_scan, score_by_views
from identjax.predictor import Predictor, State
from identjax.vocabulary import Vocabulary

FRESH, READING, ENDED, DEAD = range(4)
OPEN, CLOSE, END = range(3)


class Reading(NamedTuple):
    """Where a string stands: control row, depth, kinds on the stack [D], and mode."""

    row: jax.Array
    depth: jax.Array
    stack: jax.Array
    mode: jax.Array


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Brackets(Predictor):
    """Brackets of K kinds; symbols 2k and 2k+1 open and close kind k.

    log_p [Q, 2, 3] is the law of open, close and end in each control row, at depth 0 and deeper;
    next_row [Q, 2] is the row after an opening and after a closing bracket.
    """

    next_row: jax.Array
    log_p: jax.Array
    vocabulary: Vocabulary = dataclasses.field(metadata={"static": True})
    max_length: int = dataclasses.field(metadata={"static": True})

    def start(self) -> State:
        """Stand before BOS, with nothing on the stack."""
        stack = jnp.zeros(self.max_length // 2 + 1, jnp.int8)
        return Reading(jnp.int32(0), jnp.int32(0), stack, jnp.int32(FRESH))

    def advance(self, state: State, token: jax.Array) -> State:
        """Push or pop, if the law gives the token a chance."""
        v = self.vocabulary
        opens = (token >= 0) & (token < v.eos) & (token % 2 == 0)
        closes = (token >= 0) & (token < v.eos) & (token % 2 == 1)
        possible_3 = self.log_p[state.row, (state.depth > 0).astype(jnp.int32)] > -jnp.inf
        kind = (token // 2).astype(jnp.int8)
        may = (opens & possible_3[OPEN]) | (closes & possible_3[CLOSE] & (self._top(state) == kind))
        row = self.next_row[state.row, jnp.where(closes, CLOSE, OPEN)]
        at_D = jnp.arange(state.stack.shape[0]) == state.depth
        stack = jnp.where(at_D & opens, kind, state.stack)
        depth = state.depth + jnp.where(opens, 1, -1)
        reading = state.mode == READING
        mode = jnp.select(
            [
                (state.mode == FRESH) & (token == v.bos),
                reading & may,
                reading & (token == v.eos) & possible_3[END],
                (state.mode == ENDED) & (token == v.pad),
            ],
            [READING, READING, ENDED, ENDED],
            DEAD,
        ).astype(jnp.int32)
        symbol = reading & may
        return Reading(
            jnp.where(symbol, row, state.row),
            jnp.where(symbol, depth, state.depth),
            jnp.where(symbol, stack, state.stack),
            mode,
        )

    def log_probs(self, state: State) -> jax.Array:
        """Give the law of the next bracket or end."""
        return self._law(self._view(state))

    def score(self, tokens_NxT: jax.Array) -> jax.Array:
        """Scan over stacks, then look all laws up at once."""
        return score_by_views(self, tokens_NxT, self._view, self._law)

    @functools.partial(jax.jit, static_argnames=("n",))
    def sample(self, key: jax.Array, n: int) -> jax.Array:
        """Draw with one random word per token."""
        return sample_by_scan(self, key, n)

    def _top(self, state: Reading) -> jax.Array:
        """The kind on top of the stack, −1 where it is empty."""
        at_D = jnp.arange(state.stack.shape[0]) == state.depth - 1
        return jnp.where(at_D, state.stack, jnp.int8(-1)).max()

    def _view(self, state: Reading) -> tuple[jax.Array, ...]:
        return state.row, state.depth, self._top(state), state.mode

    def _law(self, view: tuple[jax.Array, ...]) -> jax.Array:
        row, depth, top, mode = view
        v = self.vocabulary
        kinds = v.eos // 2
        law_3 = self.log_p[row, (depth > 0).astype(jnp.int32)]
        symbol_S = jnp.arange(v.eos)
        close_S = jnp.where(symbol_S // 2 == top.astype(jnp.int32), law_3[CLOSE], -jnp.inf)
        open_S = jnp.full(v.eos, law_3[OPEN] - np.float32(np.log(kinds)))
        symbols_S = jnp.where(symbol_S % 2 == 0, open_S, close_S)
        return place_marks(v, symbols_S, law_3[END], mode)


def place_marks(v: Vocabulary, symbols_S: jax.Array, end: jax.Array, mode: jax.Array) -> jax.Array:
    """Put a law over symbols and EOS where a string is being read; PAD after its end."""
    none = jnp.full(2, -jnp.inf, symbols_S.dtype)
    reading_V = jnp.concatenate([symbols_S, end[None], none])
    pad_V = jnp.where(jnp.arange(v.size) == v.pad, 0, -jnp.inf).astype(symbols_S.dtype)
    after_V = jnp.where(mode == ENDED, pad_V, -jnp.inf)
    return jnp.where(mode == READING, reading_V, after_V)


@functools.cache
def name_brackets(kinds: int) -> tuple[str, ...]:
    """List the symbols of up to four kinds of brackets."""
    return tuple("()[]{}<>"[: 2 * kinds])
