"""What members and observers answer in context.

Axes: M member, N prompt, T position, V vocabulary.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from identjax.evaluation.likelihood import POSITIONS, cut_rows
from identjax.predictor import Predictor, State
from identjax.stacks import map_members
from identjax.studies.in_context.tasks import Shots
from identjax.vocabulary import Tokens

# Narrower prompts are widened to this many tokens, so that few widths are compiled.
LEAST_WIDTH = 64


class Answers(NamedTuple):
    """Shares of right answers, mean total variation to the law given the concept over the prompts
    that have an answer, and the share of these; [M] each, NaN where there are none.
    """

    accuracy: np.ndarray
    tv: np.ndarray
    answered: np.ndarray


def judge_laws(shots: Shots, log_p_MxNxV: np.ndarray) -> Answers:
    """Judge laws after prompts, each taken over the possible answers alone.

    A prompt after which a predictor gives no answer any probability is answered wrongly.
    """
    p = np.exp(np.where(shots.answers, log_p_MxNxV, -np.inf).astype(np.float64))
    mass_MxN = p.sum(-1)
    answered_MxN = mass_MxN > 0
    law = np.where(shots.answers, shots.law, 0)
    law = law / law.sum(-1, keepdims=True)
    own = p / np.where(answered_MxN, mass_MxN, 1)[..., None]
    tv_MxN = np.abs(own - law).sum(-1) / 2
    chosen_MxN = np.where(shots.answers, log_p_MxNxV, -np.inf).argmax(-1)
    right_MxN = shots.right[np.arange(len(shots.right)), chosen_MxN] & answered_MxN
    count_M = answered_MxN.sum(-1)
    tv_M = np.where(answered_MxN, tv_MxN, 0).sum(-1) / np.maximum(count_M, 1)
    return Answers(right_MxN.mean(-1), np.where(count_M, tv_M, np.nan), answered_MxN.mean(-1))


def laws_of_members(
    stack: Predictor, tokens_NxP: Tokens, lengths_N: np.ndarray, positions: int = POSITIONS
) -> np.ndarray:
    """Log p after so many tokens of each row, by every member in its parallel form, [M, N, V]."""
    width = max(LEAST_WIDTH, 1 << (tokens_NxP.shape[1] - 1).bit_length())
    width = min(width, stack.max_length + 2)
    padded = _widen(tokens_NxP, width, stack.vocabulary.pad)
    last_N = np.asarray(lengths_N, np.int32) - 1
    cut = cut_rows(len(padded), width, positions)
    need = 16.0 * len(cut[0]) * width * max(width, stack.vocabulary.size) * 4
    blocks = [
        map_members(_laws_at, stack, padded[rows], last_N[rows], member_bytes=need) for rows in cut
    ]
    return np.concatenate(blocks, 1)[:, : len(padded)]


def _laws_at(stack: Predictor, tokens_NxT: jax.Array, last_N: jax.Array) -> jax.Array:
    rows = jnp.arange(tokens_NxT.shape[0])
    return jax.vmap(lambda member: member.score(tokens_NxT)[rows, last_N])(stack)


def laws_of_one(predictor: Predictor, tokens_NxP: Tokens, lengths_N: np.ndarray) -> np.ndarray:
    """The same for one predictor, read symbol by symbol, with no law between: [N, V]."""
    padded = _widen(tokens_NxP, predictor.max_length + 2, predictor.vocabulary.pad)
    return np.asarray(_read(predictor, padded, np.asarray(lengths_N, np.int32)))


def _widen(tokens_NxP: Tokens, width: int, pad: int) -> Tokens:
    room = ((0, 0), (0, width - tokens_NxP.shape[1]))
    return np.pad(np.asarray(tokens_NxP, np.int32), room, constant_values=pad)


@jax.jit
def _read(predictor: Predictor, tokens_NxT: jax.Array, lengths_N: jax.Array) -> jax.Array:
    """Read each row to its length; the loop ends with the longest."""

    def step(t: jax.Array, states: State) -> State:
        def move(state: State, token: jax.Array, length: jax.Array) -> State:
            moved = predictor.advance(state, token)
            return jax.tree.map(lambda new, old: jnp.where(t < length, new, old), moved, state)

        return jax.vmap(move)(states, tokens_NxT[:, t], lengths_N)

    start = jax.vmap(lambda _: predictor.start())(tokens_NxT[:, 0])
    states = jax.lax.fori_loop(0, lengths_N.max(), step, start)
    return jax.vmap(predictor.log_probs)(states)
