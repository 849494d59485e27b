"""Copies: ww. Axes: H half length."""

import dataclasses
import functools
from collections.abc import Mapping
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from identjax.languages.brackets import DEAD, ENDED, FRESH, READING, place_marks
from identjax.languages.bylength import frame_drawn
from identjax.languages.draw import enumerate_law
from identjax.languages.family import Family, LengthSampler, Support, register
from identjax.languages.rules import Rule, even
from identjax.predictor import Predictor, State
from identjax.vocabulary import Vocabulary

SYMBOLS = ("a", "b")


class Reading(NamedTuple):
    """The symbols read, how many, which half lengths they fit [H+1], and mode."""

    symbols: jax.Array
    length: jax.Array
    fits: jax.Array
    mode: jax.Array


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Copies(Predictor):
    """The exact marginal over the hidden length of w; log_prior [H+1] is its law."""

    log_prior: jax.Array
    vocabulary: Vocabulary = dataclasses.field(metadata={"static": True})
    max_length: int = dataclasses.field(metadata={"static": True})

    def start(self) -> State:
        """Stand before BOS."""
        symbols = jnp.zeros(self.max_length + 1, jnp.int32)
        fits = self.log_prior > -jnp.inf
        return Reading(symbols, jnp.int32(0), fits, jnp.int32(FRESH))

    def advance(self, state: State, token: jax.Array) -> State:
        """Drop the half lengths whose second half would differ here."""
        v = self.vocabulary
        expected_H, half_H = self._expect(state)
        ok_H = state.fits & jnp.where(half_H > state.length, token < v.eos, expected_H == token)
        ok_H = ok_H & (token >= 0)
        reading = (state.mode == READING) & ok_H.any()
        begins = (state.mode == FRESH) & (token == v.bos)
        ends = (reading & (token == v.eos)) | ((state.mode == ENDED) & (token == v.pad))
        symbol = reading & (token < v.eos)
        mode = jnp.where(begins | symbol, READING, jnp.where(ends, ENDED, DEAD))
        at_L = jnp.arange(self.max_length + 1) == state.length
        return Reading(
            jnp.where(at_L & symbol, token, state.symbols),
            jnp.where(symbol, state.length + 1, state.length),
            jnp.where(symbol, ok_H, state.fits),
            mode.astype(jnp.int32),
        )

    def log_probs(self, state: State) -> jax.Array:
        """Average over half lengths: those ahead are open, the others say what is next."""
        v = self.vocabulary
        expected_H, half_H = self._expect(state)
        ways = np.float32(np.log(v.eos))
        read_H = jnp.minimum(half_H, state.length).astype(jnp.float32)
        log_w_H = jnp.where(state.fits, self.log_prior - ways * read_H, -jnp.inf)
        log_w_H = log_w_H - jax.nn.logsumexp(log_w_H)
        free = jax.nn.logsumexp(jnp.where(half_H > state.length, log_w_H, -jnp.inf)) - ways
        told_ExH = jnp.arange(v.eos + 1)[:, None] == expected_H[None]
        told_E = jax.nn.logsumexp(jnp.where(told_ExH, log_w_H[None], -jnp.inf), axis=1)
        symbols_S = jnp.logaddexp(told_E[:-1], free)
        return place_marks(v, symbols_S, told_E[-1], state.mode)

    @functools.partial(jax.jit, static_argnames=("n",))
    def sample(self, key: jax.Array, n: int) -> jax.Array:
        """Draw the hidden length, then w, and write it twice."""
        length_key, string_key = (jax.random.fold_in(key, purpose) for purpose in range(2))
        most = self.log_prior.shape[0]
        lengths_N = 2 * jax.random.randint(length_key, (n,), 1, most, jnp.int32)
        writer = CopyByLength(self.log_prior, self.vocabulary, self.max_length)
        return writer.sample(string_key, lengths_N)

    def _expect(self, state: Reading) -> tuple[jax.Array, jax.Array]:
        """What each half length says is next (−1: anything), and the half lengths."""
        half_H = jnp.arange(self.log_prior.shape[0])
        copied_H = state.symbols[jnp.clip(state.length - half_H, 0)]
        expected_H = jnp.where(state.length == 2 * half_H, self.vocabulary.eos, copied_H)
        return jnp.where(half_H > state.length, -1, expected_H), half_H


@register("copy", "ww")
@dataclasses.dataclass(frozen=True)
class CopyFamily(Family):
    """ww with w over a and b: |w| uniform on 1..⌊L/2⌋, then w uniform; p = 1/⌊L/2⌋ · 2^−|w|.

    >>> CopyFamily(4).count
    6
    """

    chomsky: ClassVar[str] = "context-sensitive"
    symbols: ClassVar[tuple[str, ...]] = SYMBOLS

    @property
    def least(self) -> int:
        """One symbol, twice."""
        return 2

    @property
    def half(self) -> int:
        """The longest w."""
        return self.max_length // 2

    @property
    def entropy(self) -> float:
        """Of the length, and log 2 for each symbol of w."""
        return float(np.log(self.half) + np.log(2) * (self.half + 1) / 2)

    @functools.cached_property
    def length_probs(self) -> np.ndarray:
        """Uniform over even lengths."""
        found = np.zeros(self.max_length + 1)
        found[2 : 2 * self.half + 1 : 2] = 1 / self.half
        return found

    @property
    def count(self) -> int | None:
        """The number of w's."""
        return 2 ** (self.half + 1) - 2

    @property
    def rules(self) -> Mapping[str, Rule]:
        """What counting machines can see of it: R1, an even number of a's; R2, of b's."""
        return {"R1": even("a"), "R2": even("b")}

    def build(self) -> Predictor:
        """Tabulate the law of the half length."""
        log_prior = np.full(self.half + 1, -np.log(self.half), np.float32)
        log_prior[0] = -np.inf
        with jax.ensure_compile_time_eval():
            return Copies(jnp.asarray(log_prior), Vocabulary(SYMBOLS), self.max_length)

    def enumerate(self) -> Support:
        """List all strings through the law."""
        found = enumerate_law(self.build(), self.count or 0)
        assert found is not None, "each prefix begins a string of its own"
        return found

    def build_by_length(self) -> LengthSampler:
        """Draw w, then write it twice."""
        with jax.ensure_compile_time_eval():
            nothing = jnp.zeros((), jnp.float32)
        return CopyByLength(nothing, Vocabulary(SYMBOLS), self.max_length)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class CopyByLength(LengthSampler):
    """Uniform w's; `nothing` is a leaf, so that samplers stack."""

    nothing: jax.Array
    vocabulary: Vocabulary = dataclasses.field(metadata={"static": True})
    max_length: int = dataclasses.field(metadata={"static": True})

    @jax.jit
    def sample(self, key: jax.Array, lengths_N: jax.Array) -> jax.Array:
        """Draw w and repeat it."""
        n, longest = lengths_N.shape[0], self.max_length
        w_NxL = jax.random.randint(key, (n, longest), 0, len(SYMBOLS), jnp.int32)
        at_L = jnp.arange(longest)[None]
        half_Nx1 = jnp.maximum(lengths_N // 2, 1)[:, None]
        twice_NxL = jnp.take_along_axis(w_NxL, at_L % half_Nx1, 1)
        inside_NxL = at_L < lengths_N[:, None]
        return frame_drawn(
            jnp.where(inside_NxL, twice_NxL, self.vocabulary.pad), lengths_N, self.vocabulary
        )
