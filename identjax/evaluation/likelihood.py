"""How far members are from the truth, and their laws at given positions."""

import functools
from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from identjax.keys import Purpose, key_for
from identjax.languages.language import Language
from identjax.predictor import Predictor
from identjax.stacks import count_members, map_members
from identjax.vocabulary import Tokens

EXACT_UP_TO = 4096
# Positions (strings times their length) that are scored in one call.
POSITIONS = 16384
# The truth's laws at the strings of an estimate cost as much as those of many members. They are
# kept for the next group of members where they take no more bytes than this.
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
    fits = tokens_NxT.size * language.vocabulary.size * 4 <= KEPT_BYTES
    scored = _score_draws(language, n, seed) if fits else _score_blocks(language, tokens_NxT)
    blocks = [excess_along(log_p, laws_along(stack, tokens, members)) for tokens, log_p in scored]
    per_string_MxN = np.concatenate(blocks, 1)[:, : len(tokens_NxT)]
    if log_w_N is not None:
        value_M = per_string_MxN @ np.exp(log_w_N)
        return Excess(value_M, np.zeros(count_members(stack)))
    value_M = per_string_MxN.mean(1)
    centred = per_string_MxN - np.where(np.isfinite(value_M), value_M, 0)[:, None]
    variance_M = (centred**2).sum(1) / (per_string_MxN.shape[1] - 1)
    return Excess(value_M, np.sqrt(variance_M / per_string_MxN.shape[1]))


@functools.lru_cache(maxsize=2)
def _score_draws(language: Language, n: int, seed: int) -> list[tuple[Tokens, np.ndarray]]:
    return list(_score_blocks(language, draw_strings(language, n, seed)[0]))


def _score_blocks(language: Language, tokens_NxT: Tokens) -> Iterator[tuple[Tokens, np.ndarray]]:
    """Give strings by blocks, with the truth's own laws along them."""
    for rows in cut_rows(*tokens_NxT.shape):
        yield tokens_NxT[rows], np.asarray(language.score(jnp.asarray(tokens_NxT[rows])))


def cut_rows(n: int, width: int, positions: int = POSITIONS) -> list[np.ndarray]:
    """Cut n rows of so many positions into blocks of one size; the last repeats the last row."""
    size = min(n, max(1, positions // width))
    return [np.minimum(np.arange(s, s + size), n - 1) for s in range(0, n, size)]


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
    return _map_laws(_laws_at_end, stack, prompts_NxP, members)


def laws_along(stack: Predictor, tokens_NxT: Tokens, members: int | None = None) -> np.ndarray:
    """Log p of the next token at every position of given strings, by every member, [M, N, T, V]."""
    return _map_laws(_laws_everywhere, stack, tokens_NxT, members)


def _map_laws(
    function: Callable[..., jax.Array], stack: Predictor, tokens_NxT: Tokens, members: int | None
) -> np.ndarray:
    need = 16.0 * tokens_NxT.size * max(tokens_NxT.shape[1], stack.vocabulary.size) * 4
    shared = np.asarray(tokens_NxT)
    return map_members(function, stack, shared, member_bytes=need, members=members)


def _laws_at_end(stack: Predictor, prompts_NxP: jax.Array) -> jax.Array:
    return jax.vmap(lambda member: member.score(prompts_NxP)[:, -1])(stack)


def _laws_everywhere(stack: Predictor, tokens_NxT: jax.Array) -> jax.Array:
    return jax.vmap(lambda member: member.score(tokens_NxT))(stack)
