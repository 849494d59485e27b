"""A construction: any predictor, but with its two likeliest answers exchanged after some prompts.

Axes: N string, J pattern, P place in a pattern, T position, V vocabulary.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from identjax.errors import ConfigError
from identjax.predictor import Predictor, State, Wrapper
from identjax.studies.in_context.tasks import pad_rows
from identjax.vocabulary import Tokens, Vocabulary

# Stands in a pattern for every symbol.
ANY = -1


class Matching(NamedTuple):
    """The predictor's own state, the patterns that fit so far [J], and the symbols read."""

    core: State
    fits: jax.Array
    length: jax.Array


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Swapped(Wrapper):
    """q = p, except that after a prompt of B the two likeliest symbols exchange their probability.

    B is what fits one of `patterns` [J, P]: symbols and ANY, then PAD. It is prefix-free, so that
    by the chain rule KL(p‖q) = Σ_{s∈B} p(s) (p1−p2) ln(p1/p2) ≤ p(B) ln(1/c) where p2 ≥ c on B.
    """

    core: Any
    patterns: jax.Array

    @property
    def _lengths_J(self) -> jax.Array:
        return (self.patterns != self.vocabulary.pad).sum(-1)

    def start(self) -> State:
        """Start the predictor; every pattern fits."""
        fits_J = jnp.ones(self.patterns.shape[0], bool)
        return Matching(self.core.start(), fits_J, jnp.int32(0))

    def advance(self, state: State, token: jax.Array) -> State:
        """Advance the predictor, and drop the patterns that do not go on with this symbol."""
        at = jnp.minimum(state.length, self.patterns.shape[1] - 1)
        wanted_J = self.patterns[:, at]
        symbol = token < self.vocabulary.eos
        fits_J = state.fits & ((wanted_J == token) | ((wanted_J == ANY) & symbol))
        begins = token == self.vocabulary.bos
        return Matching(
            self.core.advance(state.core, token),
            jnp.where(begins, state.fits, fits_J),
            jnp.where(begins, state.length, state.length + 1),
        )

    def log_probs(self, state: State) -> jax.Array:
        """Give the predictor's law, its top two symbols exchanged on B."""
        hit = (state.fits & (self._lengths_J == state.length)).any()
        log_p_V = self.core.log_probs(state.core)
        return jnp.where(hit, exchange(log_p_V, self.vocabulary), log_p_V)

    def score(self, tokens_NxT: jax.Array) -> jax.Array:
        """Exchange in the predictor's own score, at the ends of the prompts of B."""
        log_p_NxTxV = self.core.score(tokens_NxT)
        hits_NxT = self._find(jnp.asarray(tokens_NxT))
        return jnp.where(hits_NxT[..., None], exchange(log_p_NxTxV, self.vocabulary), log_p_NxTxV)

    def _find(self, tokens_NxT: jax.Array) -> jax.Array:
        """Tell which positions end a prompt of B."""
        n, t = tokens_NxT.shape
        places = self.patterns.shape[1]
        pad = self.vocabulary.pad
        read_NxP = jnp.full((n, max(places, t - 1)), pad).at[:, : t - 1].set(tokens_NxT[:, 1:])
        read_Nx1xP = read_NxP[:, None, :places]
        symbol = read_Nx1xP < self.vocabulary.eos
        wanted = self.patterns[None]
        fits = (wanted == pad) | (wanted == read_Nx1xP) | ((wanted == ANY) & symbol)
        ends_JxT = self._lengths_J[:, None] == jnp.arange(t)[None]
        return (fits.all(-1)[..., None] & ends_JxT[None]).any(1)


def exchange(log_p_xV: jax.Array, vocabulary: Vocabulary) -> jax.Array:
    """Exchange the log probabilities of the two likeliest symbols; marks stay as they are."""
    ids_xV = lax.broadcasted_iota(jnp.int32, log_p_xV.shape, log_p_xV.ndim - 1)
    labels_xV = jnp.where(ids_xV < vocabulary.eos, log_p_xV, -jnp.inf)
    top = jnp.argmax(labels_xV, -1, keepdims=True)
    rest_xV = jnp.where(ids_xV == top, -jnp.inf, labels_xV)
    second = jnp.argmax(rest_xV, -1, keepdims=True)
    p1, p2 = (jnp.take_along_axis(log_p_xV, at, -1) for at in (top, second))
    return jnp.where(ids_xV == top, p2, jnp.where(ids_xV == second, p1, log_p_xV))


def swap_on(core: Predictor, prompts: Sequence[Sequence[int]] | Tokens) -> Swapped:
    """Make the construction for prompts given as symbols without BOS; ANY fits every symbol.

    >>> from identjax import languages
    >>> lang = languages.make("L3", max_length=8)
    >>> swapped = swap_on(lang, [lang.vocabulary.encode("a")])
    >>> np.exp([p.score(np.array([[3, 0]]))[0, 1, :2] for p in (lang, swapped)]).round(2).tolist()
    [[0.75, 0.25], [0.25, 0.75]]
    """
    check_patterns(core, prompts)
    patterns, _ = pad_rows(prompts, core.vocabulary.pad)
    return Swapped(core, jnp.asarray(patterns))


def check_patterns(core: Predictor, prompts: Sequence[Sequence[int]] | Tokens) -> None:
    """Refuse prompts that cannot be, and a set of which one prompt begins another."""
    if not len(prompts):
        raise ConfigError("prompts", "none", "at least one prompt")
    by_length: dict[int, list[Any]] = {}
    for prompt in prompts:
        ids = np.asarray(prompt)
        if not (len(ids) < core.max_length and ((ids >= ANY) & (ids < core.vocabulary.eos)).all()):
            allowed = f"symbols or ANY, fewer than the maximum length of {core.max_length}"
            raise ConfigError("prompts", ids.tolist(), allowed)
        by_length.setdefault(len(ids), []).append(ids)
    for short, heads in sorted(by_length.items()):
        for longer, rows in by_length.items():
            if short < longer:
                _refuse_prefixes(np.stack(heads), np.stack(rows))


def _refuse_prefixes(heads_JxP: np.ndarray, rows_NxP: np.ndarray) -> None:
    width = heads_JxP.shape[1]
    head, row = heads_JxP[:, None], rows_NxP[None, :, :width]
    begins = ((head == row) | (head == ANY) | (row == ANY)).all(-1)
    if begins.any():
        j, n = np.argwhere(begins)[0]
        pair = f"{heads_JxP[j].tolist()} and {rows_NxP[n].tolist()}"
        raise ConfigError("prompts", pair, "a prefix-free set: no prompt may begin another")


def swap_gap(law_NxO: np.ndarray) -> np.ndarray:
    """(p1−p2) ln(p1/p2) of laws over symbols, [N]: what an exchange adds to the KL there."""
    p2_N, p1_N = np.sort(law_NxO, -1)[:, -2:].T
    return (p1_N - p2_N) * np.log(p1_N / p2_N)
