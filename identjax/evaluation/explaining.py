"""Simple laws that could explain what a member does after prompts, and how near it is to each.

Axes: M member, N prompt, V vocabulary.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from identjax.errors import ConfigError
from identjax.evaluation.laws_at import js_from, kl_from
from identjax.languages import Language
from identjax.languages.baselines import eos_now, ngram, noise, uniform
from identjax.languages.law.automaton import AutomatonDefinition
from identjax.languages.law.lookup import TableLaw, walk
from identjax.vocabulary import Tokens

# A simple law sees so many of the last symbols at the most.
MOST_SEEN = 4
# Restrictions to a rule are compared as long as this share of the prompts is left to all.
LEAST_LEFT = 0.5
TRUTH = "truth"


class Nearness(NamedTuple):
    """Divergences of members from one law in nats, means over the same prompts, [M] each.

    `kl` is KL(law‖member), which is finite because members rule out no token; `js` the
    Jensen–Shannon divergence. `prompts` are those on which all laws are compared, and `defined`
    those on which this one says anything; where it is not compared, the divergences are NaN.
    """

    kl: np.ndarray
    js: np.ndarray
    prompts: int
    defined: int


@functools.lru_cache(maxsize=8)
def list_laws(language: Language) -> Mapping[str, TableLaw]:
    """Give the laws by name: chance, eos_now, order_0 to order_4, noise and noise_RULE.

    order_k is the truth's law of the next symbol given the last k symbols alone, exact, for truths
    that are automata. noise knows how long strings are and nothing else, or one rule besides. What
    would be too large is left out.
    """
    makers: dict[str, Callable[[], TableLaw]] = {
        "chance": functools.partial(uniform, language),
        "eos_now": functools.partial(eos_now, language),
        "noise": functools.partial(noise, language),
    }
    for rule in language.definition.rules:
        makers[f"noise_{rule}"] = functools.partial(noise, language, rule)
    if isinstance(language.definition, AutomatonDefinition):
        for seen in range(MOST_SEEN + 1):
            makers[f"order_{seen}"] = functools.partial(ngram, language, seen + 1)
    found = {}
    for name, make in makers.items():
        try:
            found[name] = make()
        except ConfigError:
            continue
    return found


def compare_laws(
    language: Language, prompts_NxP: Tokens, log_p_MxNxV: np.ndarray
) -> dict[str, Nearness]:
    """Compare each member's next token after prompts with what each law gives there.

    The truth is one of the laws where no prompt is impossible. A law restricted to a rule says
    nothing where the rule can no longer hold: restrictions are taken in the order of the number of
    prompts on which they do, as long as half of the prompts are left to all, and all laws are
    compared on those.
    """
    laws = {name: _give(table, prompts_NxP) for name, table in list_laws(language).items()}
    true_NxV = np.asarray(language.score(jnp.asarray(prompts_NxP)), np.float64)[:, -1]
    if (true_NxV > -np.inf).any(-1).all():
        laws[TRUTH] = true_NxV
    defined = {name: np.any(law_NxV > -np.inf, -1) for name, law_NxV in laws.items()}
    taken, shared_N = _agree_on_prompts(defined)
    nothing = np.full(len(log_p_MxNxV), np.nan)
    found = {}
    for name, law_NxV in laws.items():
        about = int(shared_N.sum()), int(defined[name].sum())
        if name in taken:
            two = law_NxV[shared_N], log_p_MxNxV[:, shared_N]
            found[name] = Nearness(kl_from(*two).mean(1), js_from(*two).mean(1), *about)
        else:
            found[name] = Nearness(nothing, nothing, *about)
    return found


def _give(table: TableLaw, prompts_NxP: Tokens) -> np.ndarray:
    """Log p of the next token after each prompt, [N, V]."""
    return np.asarray(table.log_p, np.float64)[walk(table, prompts_NxP)]


def _agree_on_prompts(defined: Mapping[str, np.ndarray]) -> tuple[Sequence[str], np.ndarray]:
    """Choose the laws to compare, and the prompts on which all of them say something, [N]."""
    taken, shared_N = [], np.ones(len(next(iter(defined.values()))), bool)
    for name in sorted(defined, key=lambda name: -defined[name].sum()):
        both_N = shared_N & defined[name]
        if both_N.sum() >= max(1, LEAST_LEFT * len(both_N)):
            taken.append(name)
            shared_N = both_N
    return taken, shared_N
