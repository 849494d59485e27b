"""Copies: ww. Axes: W word of 32 half lengths, E the two symbols and EOS."""

import dataclasses
import functools
from collections.abc import Mapping
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from identjax.languages.definition import LengthSampler, register
from identjax.languages.law.base import FRESH, READING, Law, as_leaf, next_mode, place_marks
from identjax.languages.law.draw import score_by_views
from identjax.languages.law.even import EvenDefinition, EvenSampler, frame_even
from identjax.languages.rules import Rule, even
from identjax.predictor import Predictor, State

SYMBOLS = ("a", "b")
LOG_2 = np.float32(np.log(2))
ONE, TOP, ALL = np.uint32(1), np.uint32(1 << 31), np.uint32(2**32 - 1)
Words = tuple[jax.Array, ...]


class Halves(NamedTuple):
    """Bits by half length h, in words of 32 of which the highest bit is the smallest h: which half
    lengths the string fits, and, for those already passed, whether what is copied next is a b;
    then the number of symbols read, and mode.
    """

    fits: Words
    copied: Words
    length: jax.Array
    mode: jax.Array


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Copies(Law):
    """The exact marginal over the hidden length h of w, uniform on 1..H; `half_lengths` has their
    bits. After t symbols a half length h ≤ t that fits has the weight 2^−h and says what is next;
    each longer one has 2^−t and says nothing.
    """

    half_lengths: jax.Array

    def start(self) -> State:
        fits = tuple(self.half_lengths)
        nothing = tuple(jnp.zeros_like(word) for word in fits)
        return Halves(fits, nothing, jnp.int32(0), jnp.int32(FRESH))

    def advance(self, state: State, token: jax.Array) -> State:
        """Drop the half lengths whose second half would differ here."""
        v, length = self.vocabulary, state.length
        second = jnp.where(token == 1, ALL, np.uint32(0))
        fits, copied, alive, whole = [], [], jnp.bool_(False), jnp.bool_(False)
        # What comes into a word from the one before it; h = 1 copies the token itself.
        newest = jnp.where(token == 1, TOP >> ONE, np.uint32(0))
        for w, (fit, copy) in enumerate(zip(state.fits, state.copied, strict=True)):
            passed, ending = mark_passed(w, length), mark_ending(w, length)
            fits.append(fit & ~ending & (~passed | ~(copy ^ second)))
            copied.append(copy >> ONE | newest)
            newest = copy << np.uint32(31)
            alive, whole = alive | (fits[-1] != 0), whole | (fit & ending != 0)
        reads = (state.mode == READING) & (token >= 0) & (token < v.eos) & alive
        mode = next_mode(v, state.mode, token, reads, whole)
        after = Halves(tuple(fits), tuple(copied), length + 1, mode)
        kept = jax.tree.map(lambda new, old: jnp.where(reads, new, old), after, state)
        return kept._replace(mode=after.mode)

    def log_probs(self, state: State) -> jax.Array:
        """Average over half lengths: those ahead are open, the others say what is next."""
        return self._law(self._view(state))

    def score(self, tokens_NxT: jax.Array) -> jax.Array:
        return score_by_views(self, tokens_NxT, self._view, self._law)

    def _view(self, state: Halves) -> tuple[jax.Array, ...]:
        """Give the log probabilities of a, b and EOS, with the mode."""
        length, half = state.length, self.max_length // 2
        told_a, told_b, ends = [], [], jnp.bool_(False)
        for w, (fit, copy) in enumerate(zip(state.fits, state.copied, strict=True)):
            ending = mark_ending(w, length)
            told = fit & mark_passed(w, length) & ~ending
            told_a.append(told & ~copy)
            told_b.append(told & copy)
            ends = ends | (fit & ending != 0)
        read = LOG_2 * length.astype(jnp.float32)
        ahead = jnp.log(jnp.maximum(half - length, 0).astype(jnp.float32)) - read - LOG_2
        a = jnp.logaddexp(log_fraction(told_a), ahead)
        b = jnp.logaddexp(log_fraction(told_b), ahead)
        end = jnp.where(ends, -read / 2, -jnp.inf)
        top = jnp.maximum(jnp.maximum(a, b), end)
        top = jnp.where(top > -jnp.inf, top, 0)
        total = top + jnp.log(jnp.exp(a - top) + jnp.exp(b - top) + jnp.exp(end - top))
        return a - total, b - total, end - total, state.mode

    def _law(self, view: tuple[jax.Array, ...]) -> jax.Array:
        a, b, end, mode = view
        return place_marks(self.vocabulary, jnp.stack([a, b]), end, mode)

    @functools.partial(jax.jit, static_argnames=("n",))
    def sample(self, key: jax.Array, n: int) -> jax.Array:
        writer = CopyByLength(self.half_lengths, self.vocabulary, self.max_length)
        return writer.sample_lengths_too(key, n)


def mark_passed(word: int, length: jax.Array) -> jax.Array:
    """Mark the half lengths 0..t of a word."""
    count = jnp.clip(length + 1 - 32 * word, 0, 32).astype(jnp.uint32)
    high = ALL << (np.uint32(32) - jnp.maximum(count, ONE))
    return jnp.where(count == 0, np.uint32(0), high)


def mark_ending(word: int, length: jax.Array) -> jax.Array:
    """Mark the half length of which a string of t symbols is the whole, if it is in this word."""
    half = length // 2
    here = (length % 2 == 0) & (half // 32 == word)
    return jnp.where(here, TOP >> (half % 32).astype(jnp.uint32), np.uint32(0))


def log_fraction(words: list[jax.Array]) -> jax.Array:
    """Log of Σ 2^−h over the bits h of all words; −inf of none."""
    value, first = jnp.float32(0), jnp.float32(0)
    for w in reversed(range(len(words))):
        some = words[w] != 0
        # All but the next word is too small to be seen.
        rest = jnp.where(first == w + 1, value * np.float32(2.0**-32), 0)
        value = jnp.where(some, words[w].astype(jnp.float32) + rest, value)
        first = jnp.where(some, np.float32(w), first)
    return jnp.log(value) - LOG_2 * (31 + 32 * first)


@register("copy", "ww")
@dataclasses.dataclass(frozen=True)
class CopyDefinition(EvenDefinition):
    """ww with w over a and b: |w| uniform on 1..⌊L/2⌋, then w uniform; p = 1/⌊L/2⌋ · 2^−|w|.

    >>> CopyDefinition(4).count
    6
    """

    chomsky: ClassVar[str] = "context-sensitive"
    symbols: ClassVar[tuple[str, ...]] = SYMBOLS

    @property
    def entropy(self) -> float:
        """Of the length, and log 2 for each symbol of w."""
        return float(np.log(self.half) + np.log(2) * (self.half + 1) / 2)

    @property
    def count(self) -> int | None:
        return 2 ** (self.half + 1) - 2

    @property
    def rules(self) -> Mapping[str, Rule]:
        """What counting machines can see of it: R1, an even number of a's; R2, of b's."""
        return {"R1": even("a"), "R2": even("b")}

    def build(self) -> Predictor:
        """Set the bits of the half lengths 1..H, the highest of a word first."""
        h = np.arange(1, self.half + 1)
        words = np.zeros(self.half // 32 + 1, np.uint32)
        np.bitwise_or.at(words, h // 32, np.uint32(1) << (31 - h % 32).astype(np.uint32))
        return Copies(self.vocabulary, self.max_length, as_leaf(words))

    def build_by_length(self) -> LengthSampler:
        return CopyByLength(as_leaf(0, jnp.float32), self.vocabulary, self.max_length)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class CopyByLength(EvenSampler):
    """Uniform w's, without numbers."""

    @jax.jit
    def sample(self, key: jax.Array, lengths_N: jax.Array) -> jax.Array:
        n, longest = lengths_N.shape[0], self.max_length
        w_NxL = jax.random.randint(key, (n, longest), 0, len(SYMBOLS), jnp.int32)
        at_L = jnp.arange(longest)[None]
        half_Nx1 = jnp.maximum(lengths_N // 2, 1)[:, None]
        twice_NxL = jnp.take_along_axis(w_NxL, at_L % half_Nx1, 1)
        inside_NxL = at_L < lengths_N[:, None]
        drawn_NxL = jnp.where(inside_NxL, twice_NxL, self.vocabulary.pad)
        return frame_even(drawn_NxL, lengths_N, self.vocabulary)
