"""What more members would show: how sets grow with them, and how many seeds an interval takes."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from identjax.evaluation.cells import name_cells
from identjax.evaluation.measure import AtSweep, Found, measure
from identjax.evaluation.measures.sets import EVERYONE
from identjax.evaluation.pair_tables import label_completions, members_of, pivot_rows
from identjax.query import Floats, distinct, floats, main_rule, split_by, where
from identjax.rungs import FINAL, is_step
from identjax.schema import TRUTH, schema_of
from identjax.statistics.intervals import FEWEST, plan_seeds
from identjax.statistics.rashomon import ambiguity_by_size, discrepancy_by_size

SPLIT = "ood"
HALF_WIDTHS = (0.1, 0.05)
TABLES = {
    "growth": schema_of(
        **TRUTH, **dict.fromkeys(("rung", "split", "scope", "measure"), str), size=int, value=float
    ),
    "seeds": schema_of(
        **TRUTH,
        **dict.fromkeys(("rung", "split", "rule", "cell"), str),
        members=int,
        **dict.fromkeys(("mean", "deviation", "half_width"), float),
        seeds=int,
    ),
}


@measure("growth", TABLES, needs="sweep")
def measure_growth(at: AtSweep) -> Found:
    """Ambiguity and discrepancy of fewer members, and the seeds that a narrower interval takes.

    Out of distribution, at every ε and where members stopped; those that served to select
    something do not count, nor do those that diverged where they stopped.
    """
    names = dict(zip([m["member_id"] for m in at.members], name_cells(at.members), strict=True))
    cell_of = {m["member_id"]: names[m["member_id"]] for m in at.members if m["role"] == "report"}
    broke = {m["member_id"] for m in at.members if m["status"] == "diverged"}
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in TABLES}
    rules = where(at.table("rules"), split=SPLIT, member_id=cell_of)
    rule = main_rule(distinct(rules, "rule"))
    for (rung,), part in split_by(where(rules, rule=rule), "rung"):
        if not is_step(rung):
            out = broke if rung == FINAL else set()
            rates = dict(zip(part["member_id"].to_pylist(), floats(part, "rate"), strict=True))
            kept = {m: rate for m, rate in rates.items() if m not in out and not np.isnan(rate)}
            about = {"rung": rung, "split": SPLIT}
            found["seeds"] += [about | {"rule": rule} | row for row in _plan(kept, cell_of)]
            found["growth"] += [about | row for row in _grow(at, rung, cell_of)]
    return found


def _plan(rates: dict[str, float], cell_of: dict[str, str]) -> Iterator[dict[str, Any]]:
    """Say for each cell how many seeds give an interval of so much to each side."""
    for cell in sorted({cell_of[member] for member in rates}):
        own: Floats = np.array([rate for m, rate in rates.items() if cell_of[m] == cell])
        if len(own) >= FEWEST:
            about = {"cell": cell, "members": len(own), "mean": float(own.mean())}
            about |= {"deviation": float(own.std(ddof=1))}
            for half in HALF_WIDTHS:
                yield about | {"half_width": half, "seeds": plan_seeds(own, half)}


def _grow(at: AtSweep, rung: str, cell_of: dict[str, str]) -> Iterator[dict[str, Any]]:
    """Give the mean ambiguity and discrepancy of 2, 4, 8, … members, of all and of each cell."""
    pairs = where(at.table("pairwise"), rung=rung, split=SPLIT)
    completions = where(at.table("completions"), rung=rung, split=SPLIT)
    likelihood = where(at.table("likelihood"), rung=rung)
    everyone = sorted(members_of(pairs) & {*cell_of} & {*distinct(completions, "member_id")})
    if len(everyone) < 2:
        return
    labels_MxN = label_completions(everyone, completions, SPLIT)
    kl_M = pivot_rows(everyone, likelihood, "kl_nats")[:, 0]
    cells = np.array([cell_of[member] for member in everyone])
    scopes = {EVERYONE: np.full(len(cells), True)} | {c: cells == c for c in sorted({*cells})}
    for scope, chosen in scopes.items():
        m = int(chosen.sum())
        if m >= 2:
            sizes = [*(2**k for k in range(1, m.bit_length()) if 2**k < m), m]
            values = {
                "ambiguity": ambiguity_by_size(labels_MxN[chosen], sizes),
                "discrepancy": discrepancy_by_size(labels_MxN[chosen], kl_M[chosen], sizes),
            }
            for name, value_S in values.items():
                for size, value in zip(sizes, value_S.tolist(), strict=True):
                    yield {"scope": scope, "measure": name, "size": size, "value": value}
