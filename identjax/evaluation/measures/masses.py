"""How likely members are to keep each rule after prompts, when they write by their own laws."""

from identjax.evaluation.mass import measure_mass
from identjax.evaluation.measure import AtRung, Found, measure
from identjax.languages import Language
from identjax.schema import schema_of

TABLES = {
    "masses": schema_of(
        member_id=str,
        rung=str,
        split=str,
        rule=str,
        mass=float,
        low=float,
        high=float,
        exact=bool,
        draws=int,
        finished=float,
        prompts=int,
    )
}
# Elsewhere rules are seldom broken, and fewer draws show it.
ELSEWHERE = 5


def is_judged(language: Language) -> bool:
    """Tell whether completions can be judged."""
    return bool(language.judged)


@measure("masses", TABLES, needs="snapshots", at="compared", applies=is_judged)
def list_masses(at: AtRung, draws: int = 1000, seed: int = 0) -> Found:
    """P(rule | prompt) at temperature 1: exact, or from about so many draws out of distribution."""
    of_split = {split: draws if split == "ood" else draws // ELSEWHERE for split in at.prompts}
    found = measure_mass(at.language, at.stack, at.prompts, of_split, seed, at.group_size)
    rows = [
        {"split": split, "rule": rule, **mass._asdict()} for (split, rule), mass in found.items()
    ]
    return {"masses": rows}
