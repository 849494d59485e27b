"""L6, a shuffle of balanced () and balanced []. Axes: N string, T position."""

import dataclasses
import functools
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from scipy.special import comb

from identjax.languages.definition import LengthSampler, register
from identjax.languages.known.nested import BracketDefinition
from identjax.languages.law.base import ENDED, FRESH, READING, Law, as_leaf, as_log_leaf, next_mode
from identjax.languages.law.draw import choose_by, score_by_views
from identjax.languages.law.even import EvenSampler, frame_even
from identjax.predictor import Predictor, State
from identjax.vocabulary import Vocabulary

LOG_2, LOG_3 = np.float32(np.log(2)), np.float32(np.log(3))


class Depths(NamedTuple):
    """Opening brackets so far, depth of each kind [2], mode, and the closes since the last
    opening bracket at which one kind was open, and both.
    """

    opens: jax.Array
    depths: jax.Array
    mode: jax.Array
    ones: jax.Array
    twos: jax.Array


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Shuffle(Law):
    """The exact marginal over the hidden length 2l; log_larger [H+1] is log(H−n).

    After n opening brackets, l is n or larger. While it may be larger, one of m = 2 + m' choices
    is taken, where m' kinds are open; once it is n, one of m'. So each close since the last
    opening bracket multiplies the odds of l = n by m/m': 3 or 2.
    """

    log_larger: jax.Array

    def start(self) -> State:
        zero = jnp.int32(0)
        return Depths(zero, jnp.zeros(2, jnp.int32), jnp.int32(FRESH), zero, zero)

    def advance(self, state: State, token: jax.Array) -> State:
        """Count the bracket, if the law gives it a chance."""
        v = self.vocabulary
        opens = token % 2 == 0
        kind_2 = jnp.arange(2) == token // 2
        may_open = self.log_larger[state.opens] > -jnp.inf
        may = jnp.where(opens, may_open, (kind_2 & (state.depths > 0)).any())
        reads = (state.mode == READING) & may & (token >= 0) & (token < v.eos)
        change_2 = jnp.where(kind_2, jnp.where(opens, 1, -1), 0)
        open_kinds = (state.depths > 0).sum(dtype=jnp.int32)
        ones = jnp.where(opens, 0, state.ones + (open_kinds == 1).astype(jnp.int32))
        twos = jnp.where(opens, 0, state.twos + (open_kinds == 2).astype(jnp.int32))
        empty = (state.opens > 0) & (state.depths == 0).all()
        return Depths(
            jnp.where(reads & opens, state.opens + 1, state.opens),
            jnp.where(reads, state.depths + change_2, state.depths),
            next_mode(v, state.mode, token, reads, empty),
            jnp.where(reads, ones, state.ones),
            jnp.where(reads, twos, state.twos),
        )

    def log_probs(self, state: State) -> jax.Array:
        """Average over l = n and l larger, by their odds."""
        return self._law(self._view(state))

    def score(self, tokens_NxT: jax.Array) -> jax.Array:
        return score_by_views(self, tokens_NxT, self._view, self._law)

    def _view(self, state: Depths) -> tuple[jax.Array, ...]:
        """Give log p of an opening bracket, of a close and of the end, and which of them may be:
        the kinds that are open, with the mode. All logs are taken here, once at every position.
        """
        evidence = LOG_3 * state.ones.astype(jnp.float32) + LOG_2 * state.twos.astype(jnp.float32)
        # Nothing is read: l is not 0. All is open: l is not larger.
        odds = jnp.where(state.opens == 0, -jnp.inf, evidence - self.log_larger[state.opens])
        is_open_2 = (state.depths > 0).astype(jnp.int32)
        m = is_open_2.sum(dtype=jnp.int32)
        # The smaller of the two against the larger.
        lesser = jnp.exp(-jnp.abs(odds))
        log_both = jnp.log1p(lesser)
        log_exact, log_more = jnp.minimum(odds, 0) - log_both, -jnp.maximum(odds, 0) - log_both
        share_exact = jnp.where(odds > 0, 1, lesser) * (1 / jnp.maximum(m, 1).astype(jnp.float32))
        share_more = jnp.where(odds > 0, lesser, 1) * (1 / (2 + m).astype(jnp.float32))
        opening = log_more - jnp.log(np.arange(2, 5).astype(np.float32))[m]
        closing = jnp.log(share_exact + share_more) - log_both
        end = jnp.where(m == 0, log_exact, -jnp.inf)
        return opening, closing, end, 4 * state.mode + 2 * is_open_2[1] + is_open_2[0]

    def _law(self, view: tuple[jax.Array, ...]) -> jax.Array:
        opening, closing, end, code = view
        logs = jnp.stack([opening, closing, end, jnp.float32(0), jnp.float32(-jnp.inf)])
        return logs[_name_logs(self.vocabulary)[code]]

    @functools.partial(jax.jit, static_argnames=("n",))
    def sample(self, key: jax.Array, n: int) -> jax.Array:
        generator = ShuffleByLength(self.log_larger, self.vocabulary, self.max_length)
        return generator.sample_lengths_too(key, n)


@register("L6", "shuffled_brackets")
@dataclasses.dataclass(frozen=True)
class ShuffledBrackets(BracketDefinition):
    """Balanced () and balanced [], shuffled; 2l brackets, l uniform on 1..H = ⌊L/2⌋.

    Until there are l opening brackets the next is uniform over both opening brackets and the
    close of each open kind, from then on over the closes of the open kinds (Mészáros et al.
    2024, L6). The length tells l, so p(x) = 1/H · p(x | l) and the entropy is
    log H + E[log number of choices].
    """

    chomsky: ClassVar[str] = "context-sensitive"

    @functools.cached_property
    def entropy(self) -> float:
        """Follow the law of the depths from opening bracket to opening bracket.

        before[d] is the mean Σ log choices until the n-th opening bracket, by depths; what the
        last n closes add, after[d], does not depend on n.
        """
        half = self.half
        after, total, spent = _closing_entropy(half), 0.0, 0.0
        p = np.zeros((half + 1, half + 1))
        p[0, 0] = 1
        for n in range(1, half + 1):
            # From just after an opening bracket (or the start) to the next, through closes.
            p, cost = _to_next_opening(p, n)
            spent += cost
            total += spent + float((p * after).sum())
        return float(np.log(half) + total / half)

    @property
    def count(self) -> int | None:
        """Σ_l Catalan(l) Catalan(l+1), two independent walks that return to 0 together."""
        catalan = [comb(2 * n, n, exact=True) // (n + 1) for n in range(self.half + 2)]
        return sum(catalan[n] * catalan[n + 1] for n in range(1, self.half + 1))

    def build(self) -> Predictor:
        log_larger = as_log_leaf(self.half - np.arange(self.half + 1))
        return Shuffle(self.vocabulary, self.max_length, log_larger)

    def build_by_length(self) -> LengthSampler:
        return ShuffleByLength(as_leaf(0, jnp.float32), self.vocabulary, self.max_length)


def _name_logs(v: Vocabulary) -> jax.Array:
    """Say which of five logs each token has, by mode and open kinds: [16, V]."""
    opening, closing, end, certain, never = range(5)
    table = np.full((4, 2, 2, v.size), never, np.int32)
    table[READING, :, :, (0, 2)] = opening
    table[READING, :, 1, 1] = closing
    table[READING, 1, :, 3] = closing
    table[READING, :, :, v.eos] = end
    table[ENDED, :, :, v.pad] = certain
    return jnp.asarray(table.reshape(16, v.size))


def _closing_entropy(half: int) -> np.ndarray:
    """Mean Σ log choices of closing all, by depths: log 2 while both kinds are open."""
    found = np.zeros((half + 1, half + 1))
    for i in range(1, half + 1):
        for j in range(1, half + 1 - i):
            found[i, j] = np.log(2) + (found[i - 1, j] + found[i, j - 1]) / 2
    return found


def _to_next_opening(p: np.ndarray, n: int) -> tuple[np.ndarray, float]:
    """Move the law of the depths past any closes and the n-th opening bracket; its mean cost."""
    p, opened, cost = p.copy(), np.zeros_like(p), 0.0
    for depth in range(n - 1, -1, -1):  # all closes lower the sum of depths by one
        i = np.arange(depth + 1)
        here = p[i, depth - i]
        choices = 2 + (i > 0) + (i < depth)
        cost += float(here @ np.log(choices))
        share = here / choices
        opened[i + 1, depth - i] += share
        opened[i, depth - i + 1] += share
        p[i[1:] - 1, depth - i[1:]] += share[1:]
        p[i[:-1], depth - i[:-1] - 1] += share[:-1]
    return opened, cost


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class ShuffleByLength(EvenSampler):
    """L6's generator, without numbers."""

    @jax.jit
    def sample(self, key: jax.Array, lengths_N: jax.Array) -> jax.Array:
        """Draw bracket by bracket; opening ones until half of the length is reached."""
        n = lengths_N.shape[0]
        u_TxN = jax.random.uniform(key, (self.max_length, n))

        def step(
            state: tuple[jax.Array, jax.Array], u_N: jax.Array
        ) -> tuple[tuple[jax.Array, jax.Array], jax.Array]:
            opens_N, depths_Nx2 = state
            may_open_N = opens_N < lengths_N // 2
            closes_Nx2 = depths_Nx2 > 0
            may_NxS = jnp.stack([may_open_N, closes_Nx2[:, 0], may_open_N, closes_Nx2[:, 1]], 1)
            writes_N = may_NxS.any(1)
            token_N = choose_by(u_N, jnp.where(may_NxS, jnp.float32(0), -jnp.inf))
            opened_N = writes_N & (token_N % 2 == 0)
            change_N = jnp.where(writes_N, 1 - 2 * (token_N % 2), 0)
            hit_Nx2 = jnp.arange(2)[None] == (token_N // 2)[:, None]
            depths_Nx2 = depths_Nx2 + jnp.where(hit_Nx2, change_N[:, None], 0)
            token_N = jnp.where(writes_N, token_N, self.vocabulary.pad)
            return (opens_N + opened_N.astype(jnp.int32), depths_Nx2), token_N

        start = jnp.zeros(n, jnp.int32), jnp.zeros((n, 2), jnp.int32)
        _, tokens_TxN = lax.scan(step, start, u_TxN)
        return frame_even(tokens_TxN.T, lengths_N, self.vocabulary)
