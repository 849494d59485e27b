"""Where the probability of short strings lies while members train."""

from identjax.evaluation.masses import measure_masses
from identjax.evaluation.measure import AtRung, Found, measure
from identjax.languages import Language
from identjax.rungs import is_step
from identjax.schema import schema_of

TABLES = {
    "dynamics": schema_of(
        member_id=str, rung=str, step=int, region=str, mass=float, strings=int, longest=int
    )
}


def has_two_rules(language: Language) -> bool:
    """Tell whether strings can be told apart by two rules."""
    return len(language.rules) > 1


@measure("dynamics", TABLES, needs="snapshots", applies=has_two_rules, suits=is_step)
def measure_dynamics(at: AtRung) -> Found:
    """Mass of the short strings that keep both rules, one or none, at step snapshots."""
    found = measure_masses(at.language, at.stack, at.group_size)
    about = {"step": at.steps, "longest": found.longest}
    parts = [
        {
            **about,
            "region": region,
            "mass": mass_M,
            "strings": [found.strings.get(region)] * len(at.ids),
        }
        for region, mass_M in found.masses.items()
    ]
    return {"dynamics": parts}
