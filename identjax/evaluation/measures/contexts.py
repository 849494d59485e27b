"""In distribution: what members do after every prefix that the truth can produce.

Axes: M member, S context, V vocabulary, N context that is completed.
"""

from typing import NamedTuple

import numpy as np

from identjax.evaluation.completions import complete_members
from identjax.evaluation.laws_at import js_from, kl_from, laws_at
from identjax.evaluation.measure import AtRung, Found, measure
from identjax.languages import Language
from identjax.languages.contexts import Contexts
from identjax.schema import schema_of

# Where not all contexts are listed, so many are completed.
MOST = 256
TABLES = {
    "contexts": schema_of(
        member_id=str,
        rung=str,
        contexts=int,
        exact=bool,
        kept=float,
        completed=int,
        possible=float,
        followed=float,
        leak=float,
        kl=float,
        js=float,
    )
}


class Choices(NamedTuple):
    """The likeliest next token after each context, and whether the truth can write it, [M, S]."""

    greedy: np.ndarray
    possible: np.ndarray


@measure("contexts", TABLES, needs="snapshots")
def measure_contexts(at: AtRung) -> Found:
    """Weigh by p(s) what each member does after every context s."""
    contexts = Contexts.of(at.language)
    log_q_MxSxV = laws_at(at.stack, contexts, at.group_size)
    choices, weight_S = choose(contexts, log_q_MxSxV), contexts.weight
    forbidden_SxV = contexts.log_law == -np.inf
    leak_MxS = np.where(forbidden_SxV, np.exp(log_q_MxSxV), 0).sum(2, dtype=np.float64)
    kept, completed = _measure_kept(at, contexts, choices)
    found = {
        "contexts": len(contexts),
        "exact": contexts.exact,
        "kept": kept,
        "completed": completed,
        "possible": share_of(choices.possible, weight_S),
        "followed": measure_followed(contexts, choices),
        "leak": leak_MxS @ weight_S,
        "kl": kl_from(contexts.log_law, log_q_MxSxV) @ weight_S,
        "js": js_from(contexts.log_law, log_q_MxSxV) @ weight_S,
    }
    return {"contexts": found}


def choose(contexts: Contexts, log_q_MxSxV: np.ndarray) -> Choices:
    """Take the likeliest token; where there is no law, one that is never possible."""
    none_MxS = np.isnan(log_q_MxSxV).any(2)
    greedy_MxS = np.where(none_MxS, contexts.vocabulary.pad, log_q_MxSxV.argmax(2))
    return Choices(greedy_MxS, contexts.log_law[np.arange(len(contexts)), greedy_MxS] > -np.inf)


def share_of(true_MxS: np.ndarray, weight_S: np.ndarray) -> np.ndarray:
    """Give the share of the weight where something is true, just 1 where it always is, [M]."""
    # One sum for both, so that all of the weight is all of it to the last bit.
    return np.asarray(1 - ~true_MxS @ weight_S / (np.ones_like(true_MxS) @ weight_S))


def measure_followed(contexts: Contexts, choices: Choices) -> np.ndarray:
    """Probability that a string of the truth meets no context of an impossible choice, [M]."""
    so_far_MxS = choices.possible.copy()
    for here in contexts.levels[1:]:
        so_far_MxS[:, here] &= so_far_MxS[:, contexts.parent[here]]
    ends_S = contexts.weight * np.exp(contexts.log_law[:, contexts.vocabulary.eos])
    return share_of(so_far_MxS, ends_S)


def _measure_kept(at: AtRung, contexts: Contexts, choices: Choices) -> tuple[np.ndarray, int]:
    """Share of the weight from which the greedy completion keeps the rules, over how many."""
    if not at.language.rules or at.language.definition.noisy:
        return np.full(len(at.ids), np.nan), 0
    if contexts.exact:
        return share_of(follow(contexts, choices), contexts.weight), len(contexts)
    share = contexts.weight / contexts.weight.sum()
    drawn_N = np.random.default_rng(0).choice(len(contexts), MOST, p=share)
    tokens_NxT, lengths_N = contexts.prompts(drawn_N)
    done = complete_members(at.stack, tokens_NxT, None, at.group_size, lengths_N)
    right_MxN = done.finished & _are_strings(at.language, done.tokens)
    return right_MxN.mean(1), MOST


def follow(contexts: Contexts, choices: Choices) -> np.ndarray:
    """Tell from which contexts greedy choices lead to a string of the truth, [M, S].

    Nothing is generated: what a context leads to is another one, or the end.
    """
    ends_MxS = choices.possible & (choices.greedy == contexts.vocabulary.eos)
    next_MxS = contexts.following[np.arange(len(contexts)), choices.greedy]
    right_MxS = ends_MxS.copy()
    for here in reversed(contexts.levels):
        onward = np.take_along_axis(right_MxS, np.maximum(next_MxS[:, here], 0), 1)
        right_MxS[:, here] |= onward & (next_MxS[:, here] >= 0)
    return right_MxS


def _are_strings(language: Language, tokens_MxNxT: np.ndarray) -> np.ndarray:
    """Tell which rows the truth can produce, [M, N]."""
    distinct, place = np.unique(
        tokens_MxNxT.reshape(-1, tokens_MxNxT.shape[-1]), axis=0, return_inverse=True
    )
    return language.possible(distinct)[place.reshape(-1)].reshape(tokens_MxNxT.shape[:2])
