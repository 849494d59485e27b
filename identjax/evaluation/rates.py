"""How often completions keep a rule."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from identjax.languages.language import Language
from identjax.vocabulary import Tokens

# So many strings are judged at once.
PIECE = 2048


class Rates(NamedTuple):
    """One rule on one prompt set, by member [M]; NaN where there is no prompt to judge.

    `rate` is the share of prompts whose completion is finished and keeps the rule, `finished`
    the share that is finished, `rate_finished` the first over the second. All are over the
    `prompts` where the rule can still hold; the `unsatisfiable` others are not judged.
    """

    rate: np.ndarray
    rate_finished: np.ndarray
    finished: np.ndarray
    prompts: int
    unsatisfiable: int


RATE_COLUMNS = dict.fromkeys(Rates._fields[:3], float) | dict.fromkeys(Rates._fields[3:], int)


def judge_members(
    language: Language,
    rule: str,
    prompts_NxP: Tokens,
    tokens_MxNxT: Tokens,
    finished_MxN: np.ndarray,
) -> Rates:
    """Judge the completions of every member by one rule.

    rate = #(finished and holds) / #prompts, over prompts where the rule can still hold.
    """
    possible_N = np.asarray(language.satisfiable(rule, prompts_NxP), bool)
    judged = tokens_MxNxT[:, possible_N]
    m, n, width = judged.shape
    start = prompts_NxP.shape[1] - 1
    held = judge_rows(lambda rows: language.judge(rule, rows, start), judged.reshape(m * n, width))
    unsatisfiable = len(possible_N) - n
    return share_kept(held.reshape(m, n), np.asarray(finished_MxN)[:, possible_N], unsatisfiable)


def share_kept(held_MxN: np.ndarray, ended_MxN: np.ndarray, unsatisfiable: int = 0) -> Rates:
    """Give the rates of completions of which some hold and some are finished."""
    m, prompts = held_MxN.shape
    if not prompts:
        nothing = np.full(m, np.nan)
        return Rates(nothing, nothing, nothing, 0, unsatisfiable)
    kept_M, ended_M = (held_MxN & ended_MxN).sum(1), ended_MxN.sum(1)
    of_ended = np.where(ended_M > 0, kept_M / np.maximum(ended_M, 1), np.nan)
    return Rates(kept_M / prompts, of_ended, ended_M / prompts, prompts, unsatisfiable)


def judge_rows(judge: Callable[[Tokens], Any], tokens_NxT: Tokens) -> np.ndarray:
    """Judge each distinct row once, in pieces of one shape, so that judging is compiled once."""
    if not len(tokens_NxT):
        return np.zeros(0, bool)
    distinct, place = np.unique(tokens_NxT, axis=0, return_inverse=True)
    held = []
    for first in range(0, len(distinct), PIECE):
        rows = np.minimum(np.arange(first, first + PIECE), len(distinct) - 1)
        held.append(np.asarray(judge(distinct[rows]), bool))
    return np.concatenate(held)[place.reshape(-1)]
