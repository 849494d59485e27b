"""How likely a predictor is to keep a rule after prompts, when it writes by its own probabilities.

Axes: M member, N prompt, K continuation, T position, J number of symbols written, R row.
"""

import itertools
from collections.abc import Mapping
from typing import NamedTuple

import jax
import numpy as np

from identjax.evaluation.completions import complete_together
from identjax.evaluation.likelihood import cut_rows, laws_along
from identjax.evaluation.rates import judge_members
from identjax.languages import Language
from identjax.languages.baselines import hold_rates
from identjax.languages.law.lookup import TableLaw
from identjax.predictor import Predictor
from identjax.stacks import count_members
from identjax.statistics.binomial import clopper_pearson
from identjax.vocabulary import Tokens

# Continuations are listed where those of all prompts are at most so many.
LISTED = 4096


class RuleMass(NamedTuple):
    """P(rule | prompt), the mean over prompts, by member [M]; NaN where no prompt is judged.

    `mass` is the probability to finish within max_length and keep the rule, and `finished` that to
    finish at all, over the `prompts` where the rule can still hold. `low` and `high` are the ends
    of a 95% interval over `draws` continuations, and the mass itself where it is `exact`.
    """

    mass: np.ndarray
    low: np.ndarray
    high: np.ndarray
    finished: np.ndarray
    exact: bool
    draws: int
    prompts: int


def measure_mass(
    language: Language,
    stack: Predictor,
    prompts: Mapping[str, Tokens],
    draws: Mapping[str, int],
    seed: int = 0,
    members: int | None = None,
) -> dict[tuple[str, str], RuleMass]:
    """Measure every judged rule on sets of prompts, by name of the set and rule.

    P(rule | s) = Σ_x p(x EOS | s) [s x keeps the rule, |s x| ≤ max_length]. It is exact for a
    stack of tables, and where all continuations can be listed; elsewhere about so many `draws`
    are spread evenly over the prompts of a set, and the interval is Clopper and Pearson's.
    """
    if isinstance(stack, TableLaw):
        return _sum_tables(language, stack, prompts)
    listed = {name for name, own in prompts.items() if _count_rows(language, own) <= LISTED}
    found: dict[tuple[str, str], RuleMass] = {}
    for name in listed:
        found |= _sum_listed(language, stack, name, prompts[name], members)
    drawn = {name: own for name, own in prompts.items() if name not in listed}
    return found | (_draw(language, stack, drawn, draws, seed, members) if drawn else {})


def _sum_tables(
    language: Language, stack: TableLaw, prompts: Mapping[str, Tokens]
) -> dict[tuple[str, str], RuleMass]:
    """Read tables and rules as one machine."""
    tables = [jax.tree.map(lambda leaf, m=m: leaf[m], stack) for m in range(count_members(stack))]
    found = {}
    for (name, own), rule in itertools.product(prompts.items(), language.judged):
        judged = own[np.asarray(language.satisfiable(rule, own), bool)]
        held_MxN, finished_MxN = (
            np.array([hold_rates(language, one, judged, kept) for one in tables])
            for kept in (rule, None)
        )
        found[name, rule] = _exactly(held_MxN, finished_MxN)
    return found


def _exactly(held_MxN: np.ndarray, finished_MxN: np.ndarray) -> RuleMass:
    prompts = held_MxN.shape[1]
    nothing = np.full(len(held_MxN), np.nan)
    mass, ends = (p.mean(1) if prompts else nothing for p in (held_MxN, finished_MxN))
    return RuleMass(mass, mass, mass, ends, True, 0, prompts)


def _count_rows(language: Language, prompts_NxP: Tokens) -> int:
    left = language.max_length + 1 - prompts_NxP.shape[1]
    return len(prompts_NxP) * len(language.vocabulary.symbols) ** left


def _sum_listed(
    language: Language, stack: Predictor, name: str, prompts_NxP: Tokens, members: int | None
) -> dict[tuple[str, str], RuleMass]:
    """Score every continuation of full length: all shorter ones are its beginnings.

    A beginning of j symbols stands in S^(left−j) rows, and counts for so much less in each.
    """
    symbols, (n, p) = len(language.vocabulary.symbols), prompts_NxP.shape
    left = language.max_length + 1 - p
    written = np.array(list(itertools.product(range(symbols), repeat=left)), np.int32)
    written = written.reshape(symbols**left, left)
    tokens_RxT = np.concatenate(
        [np.repeat(prompts_NxP, symbols**left, 0), np.tile(written, (n, 1))], 1
    )
    shares_J = float(symbols) ** -(left - np.arange(left + 1.0))
    ends_MxRxJ = (
        shares_J
        * np.concatenate(
            [
                _end_after(stack, tokens_RxT[rows], p, members)
                for rows in cut_rows(*tokens_RxT.shape)
            ],
            1,
        )[:, : len(tokens_RxT)]
    )
    by_prompt = (len(ends_MxRxJ), n, -1)
    finished_MxN = ends_MxRxJ.reshape(by_prompt).sum(-1)
    found = {}
    for rule in language.judged:
        kept_MxN = (ends_MxRxJ * _keep_after(language, rule, tokens_RxT, p)).reshape(by_prompt)
        judged_N = np.asarray(language.satisfiable(rule, prompts_NxP), bool)
        found[name, rule] = _exactly(kept_MxN.sum(-1)[:, judged_N], finished_MxN[:, judged_N])
    return found


def _end_after(stack: Predictor, tokens_RxT: Tokens, p: int, members: int | None) -> np.ndarray:
    """Probability to write the first j symbols behind a prompt of p tokens, and EOS, [M, R, J]."""
    log_p = laws_along(stack, tokens_RxT, members)[:, :, p - 1 :].astype(np.float64)
    reads_RxJ = tokens_RxT[:, p:]
    log_MxRxJ = np.take_along_axis(log_p[:, :, :-1], reads_RxJ[None, ..., None], -1)[..., 0]
    before = np.cumsum(np.pad(log_MxRxJ, ((0, 0), (0, 0), (1, 0))), -1)
    return np.asarray(np.exp(before + log_p[..., stack.vocabulary.eos]))


def _keep_after(language: Language, rule_name: str, tokens_RxT: Tokens, p: int) -> np.ndarray:
    """Tell whether a rule holds of a prompt with its first j symbols, [R, J]."""
    rule, start = language.find_rule(rule_name, p - 1)
    state_R = rule.states(tokens_RxT[:, :p], start)
    kept = [rule.reach.accepts[state_R]]
    for symbol_R in tokens_RxT[:, p:].T:
        state_R = rule.reach.next_state[state_R, symbol_R]
        kept.append(rule.reach.accepts[state_R])
    return np.stack(kept, 1)


def _draw(
    language: Language,
    stack: Predictor,
    prompts: Mapping[str, Tokens],
    draws: Mapping[str, int],
    seed: int,
    members: int | None,
) -> dict[tuple[str, str], RuleMass]:
    """Draw as many continuations of each prompt of a set, all sets in one call."""
    repeats = {name: max(1, round(draws[name] / len(own))) for name, own in prompts.items()}
    asked = {name: np.repeat(own, repeats[name], 0) for name, own in prompts.items()}
    done = complete_together(stack, list(asked.values()), seed, members)
    found = {}
    for (name, own), part in zip(asked.items(), done, strict=True):
        for rule in language.judged:
            rates = judge_members(language, rule, own, *part)
            low, high = clopper_pearson(np.rint(rates.rate * rates.prompts), rates.prompts)
            low, high = (np.where(np.isnan(rates.rate), np.nan, end) for end in (low, high))
            judged = rates.prompts // repeats[name]
            about = (rates.finished, False, rates.prompts, judged)
            found[name, rule] = RuleMass(rates.rate, low, high, *about)
    return found
