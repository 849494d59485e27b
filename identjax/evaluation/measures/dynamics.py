"""Where a member's probability lies among all short strings while it trains, by enumeration.

Axes: M member, S string, T position.
"""

import itertools
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from identjax.evaluation.likelihood import laws_along
from identjax.evaluation.measure import AtRung, Found, measure
from identjax.languages import Language
from identjax.predictor import Predictor
from identjax.rungs import is_step
from identjax.schema import schema_of
from identjax.vocabulary import Tokens, Vocabulary

MOST_STRINGS = 512
REGIONS = ("R1 and R2", "R1 only", "R2 only", "neither")
LONGER = "longer"
TABLES = {
    "dynamics": schema_of(
        member_id=str, rung=str, step=int, region=str, mass=float, strings=int, longest=int
    )
}


class Masses(NamedTuple):
    """Summed probability of the short strings of each region, and of all longer ones, [M] each."""

    masses: dict[str, np.ndarray]
    strings: dict[str, int]
    longest: int


def has_two_rules(language: Language) -> bool:
    """Tell whether strings can be told apart by two rules."""
    return len(language.rules) > 1


@measure("dynamics", TABLES, needs="snapshots", applies=has_two_rules, suits=is_step)
def measure_dynamics(at: AtRung) -> Found:
    """Mass of the short strings that keep both rules, one or none, at step snapshots."""
    found = measure_masses(at.language, at.stack, at.group_size)
    about = {"step": at.steps, "longest": found.longest}
    counts = {region: [found.strings.get(region)] * len(at.ids) for region in found.masses}
    parts = [
        {**about, "region": region, "mass": mass_M, "strings": counts[region]}
        for region, mass_M in found.masses.items()
    ]
    return {"dynamics": parts}


def measure_masses(language: Language, stack: Predictor, members: int | None = None) -> Masses:
    """Sum p(x EOS) over all strings x up to a length, by which of R1 and R2 they keep.

    The five numbers of a member add up to 1: what is left is the mass of all longer strings.
    """
    tokens_SxT = list_strings(language.vocabulary, language.max_length)
    one, other = (
        np.asarray(rule.holds(jnp.asarray(tokens_SxT)))
        for rule in list(language.rules.values())[:2]
    )
    kept = one & other, one & ~other, ~one & other, ~one & ~other
    regions = dict(zip(REGIONS, kept, strict=True))
    log_p_MxSxTxV = laws_along(stack, tokens_SxT, members)
    reads_SxT = tokens_SxT[:, 1:]
    log_p_MxSxT = np.take_along_axis(log_p_MxSxTxV[:, :, :-1], reads_SxT[None, ..., None], -1)
    p_MxS = np.exp(log_p_MxSxT[..., 0].astype(np.float64).sum(-1))
    masses = {name: p_MxS[:, own_S].sum(1) for name, own_S in regions.items()}
    masses[LONGER] = np.maximum(1 - p_MxS.sum(1), 0)
    strings = {name: int(own_S.sum()) for name, own_S in regions.items()}
    return Masses(masses, strings, tokens_SxT.shape[1] - 2)


def list_strings(vocabulary: Vocabulary, max_length: int, most: int = MOST_STRINGS) -> Tokens:
    """List all strings up to the greatest length at which there are at most `most`, [S, T].

    >>> v = Vocabulary(("a", "b"))
    >>> [v.decode(row) for row in list_strings(v, 5, most=8)]
    ['', 'a', 'b', 'aa', 'ab', 'ba', 'bb']
    """
    symbols, longest = len(vocabulary.symbols), 0
    while longest < max_length and sum(symbols**k for k in range(longest + 2)) <= most:
        longest += 1
    rows = [
        [vocabulary.bos, *string, vocabulary.eos, *[vocabulary.pad] * (longest - length)]
        for length in range(longest + 1)
        for string in itertools.product(range(symbols), repeat=length)
    ]
    return np.array(rows, np.int32)
