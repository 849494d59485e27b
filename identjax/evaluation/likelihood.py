"""How far members are from the truth, and their laws at given positions."""

import dataclasses
import functools
from collections.abc import Iterable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from identjax.keys import Purpose, key_for
from identjax.languages.definition import Family
from identjax.languages.language import Language
from identjax.predictor import Predictor
from identjax.stacks import count_members, map_members
from identjax.vocabulary import Tokens

EXACT_UP_TO = 4096
# So many positions are scored at once.
POSITIONS = 16384
# The truth's laws of one set of strings are kept where they take no more than this.
KEPT_BYTES = 1 << 28


class Excess(NamedTuple):
    """KL to the truth in nats per sequence and its standard error, [M] each, on the host."""

    kl_nats: np.ndarray
    kl_stderr: np.ndarray


def draw_strings(language: Language, n: int, seed: int = 0) -> tuple[Tokens, np.ndarray | None]:
    """Give the support with log probabilities, or n fresh draws of a language that has too many.

    The draws are not those of the checks in training, so estimates on them are free of the
    selection that a crossing of a rung is.
    """
    found = language.support(EXACT_UP_TO)
    if found is not None:
        return np.asarray(found[0], np.int32), np.asarray(found[1], np.float64)
    tokens = language.sample(key_for(seed, Purpose.EVALUATE), n)
    return np.asarray(tokens, np.int32), None


def measure_kl(
    language: Language,
    stack: Predictor,
    n: int = 4096,
    seed: int = 0,
    members: int | None = None,
) -> Excess:
    """KL(truth‖member) in nats per sequence, [M], and its standard error, 0 where it is exact.

    E_x Σ_t Σ_o p(o|x_≤t) log(p(o|x_≤t)/q(o|x_≤t)): the sum over the next symbol is always exact,
    the mean over strings is exact over a support of at most 4,096 strings. A member whose
    laws are not finite has +inf.
    """
    tokens_NxT, log_w_N = draw_strings(language, n, seed)
    cut = _blocks(tokens_NxT)
    truths: Iterable[np.ndarray]
    if tokens_NxT.size * language.vocabulary.size * 4 <= KEPT_BYTES:
        truths = _score_draws(_Draws(language.family, n, seed, language))
    else:
        truths = (np.asarray(language.score(jnp.asarray(tokens))) for tokens in cut)
    blocks = [
        excess_along(log_p, laws_along(stack, tokens, members))
        for log_p, tokens in zip(truths, cut, strict=True)
    ]
    per_string_MxN = np.concatenate(blocks, 1)[:, : len(tokens_NxT)]
    if log_w_N is not None:
        value_M = per_string_MxN @ np.exp(log_w_N)
        return Excess(value_M, np.zeros(count_members(stack)))
    value_M = per_string_MxN.mean(1)
    centred = per_string_MxN - np.where(np.isfinite(value_M), value_M, 0)[:, None]
    variance_M = (centred**2).sum(1) / (per_string_MxN.shape[1] - 1)
    return Excess(value_M, np.sqrt(variance_M / per_string_MxN.shape[1]))


@dataclasses.dataclass(frozen=True)
class _Draws:
    """The strings of one estimate, known by what they are drawn from."""

    family: Family
    n: int
    seed: int
    language: Language = dataclasses.field(compare=False)


@functools.lru_cache(maxsize=2)
def _score_draws(draws: _Draws) -> list[np.ndarray]:
    """Give the truth's own laws, which may cost more than those of all members and are the same."""
    tokens_NxT, _ = draw_strings(draws.language, draws.n, draws.seed)
    return [np.asarray(draws.language.score(jnp.asarray(tokens))) for tokens in _blocks(tokens_NxT)]


def excess_along(log_p_NxTxV: np.ndarray, log_q_MxNxTxV: np.ndarray) -> np.ndarray:
    """Σ_t Σ_o p log(p/q) along each string, [M, N], on the host in double precision.

    +inf where q is impossible or not finite. Where all of p is −inf nothing is counted.
    """
    possible = log_p_NxTxV > -np.inf
    log_p = log_p_NxTxV[possible].astype(np.float64)
    weights, string = np.exp(log_p), np.nonzero(possible)[0]
    rows = [
        np.bincount(string, weights * (log_p - log_q[possible]), minlength=len(log_p_NxTxV))
        for log_q in log_q_MxNxTxV
    ]
    found = np.stack(rows)
    return np.where(np.isnan(found), np.inf, found)


def laws_after(stack: Predictor, prompts_NxP: Tokens, members: int | None = None) -> np.ndarray:
    """Log p of the next token after each prompt, by every member, [M, N, V]."""
    need = 16.0 * prompts_NxP.size * max(prompts_NxP.shape[1], stack.vocabulary.size) * 4
    found: np.ndarray = map_members(
        _laws_at_end, stack, np.asarray(prompts_NxP), member_bytes=need, members=members
    )
    return found


def laws_along(stack: Predictor, tokens_NxT: Tokens, members: int | None = None) -> np.ndarray:
    """Log p of the next token at every position of given strings, by every member, [M, N, T, V]."""
    need = 16.0 * tokens_NxT.size * max(tokens_NxT.shape[1], stack.vocabulary.size) * 4
    found: np.ndarray = map_members(
        _laws_everywhere, stack, np.asarray(tokens_NxT), member_bytes=need, members=members
    )
    return found


def _laws_at_end(stack: Predictor, prompts_NxP: jax.Array) -> jax.Array:
    return jax.vmap(lambda member: member.score(prompts_NxP)[:, -1])(stack)


def _laws_everywhere(stack: Predictor, tokens_NxT: jax.Array) -> jax.Array:
    return jax.vmap(lambda member: member.score(tokens_NxT))(stack)


def _blocks(tokens_NxT: Tokens) -> list[Tokens]:
    return [tokens_NxT[rows] for rows in cut_rows(*tokens_NxT.shape)]


def cut_rows(n: int, width: int) -> list[np.ndarray]:
    """Cut n rows of so many positions into blocks of one size; the last repeats the last row."""
    size = min(n, max(1, POSITIONS // width))
    return [np.minimum(np.arange(s, s + size), n - 1) for s in range(0, n, size)]
