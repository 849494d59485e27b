"""A rung's members as one set, and each cell's as one: how far a choice among them could matter."""

from collections.abc import Sequence

import numpy as np

from identjax.evaluation.cells import name_cells
from identjax.evaluation.measure import AtPairs, Found, measure
from identjax.evaluation.pair_tables import label_completions, pivot_rows
from identjax.schema import TRUTH, schema_of
from identjax.statistics.rashomon import (
    measure_ambiguity,
    measure_capacity,
    measure_discrepancy,
)

EVERYONE = "all"
TABLES = {
    "sets": schema_of(
        **TRUTH, rung=str, split=str, scope=str, measure=str, value=float, members=int
    )
}


@measure("sets", TABLES, needs="pairs")
def measure_sets(at: AtPairs) -> Found:
    """Measure ambiguity, discrepancy and capacity on every split.

    All three are lower bounds of what every model within ε of the truth could show. Members whose
    role is to select do not count. The reference of the discrepancy is the member nearest to the
    truth.
    """
    cells = name_cells(at.members)
    scopes = {EVERYONE: range(len(at.members))} | {
        name: [row for row, cell in enumerate(cells) if cell == name] for name in sorted(set(cells))
    }
    rows = []
    for scope, everyone in scopes.items():
        chosen = [row for row in everyone if at.members[row]["role"] == "report"]
        if len(chosen) < 2:
            continue
        ids = [at.ids[row] for row in chosen]
        for split, laws_MxNxV in at.laws.items():
            found = _measure_scope(ids, split, laws_MxNxV[chosen], at)
            own = {"split": split, "scope": scope, "members": len(ids)}
            rows.append({**own, "measure": list(found), "value": list(found.values())})
    return {"sets": rows}


def _measure_scope(
    ids: Sequence[str], split: str, laws_MxNxV: np.ndarray, at: AtPairs
) -> dict[str, float]:
    labels_MxN = label_completions(ids, at.table("completions"), split)
    nearest = int(np.argmin(pivot_rows(ids, at.table("likelihood"), "kl_nats")[:, 0]))
    return {
        "ambiguity": measure_ambiguity(labels_MxN),
        "discrepancy": measure_discrepancy(labels_MxN, nearest),
        "capacity": float(measure_capacity(laws_MxNxV).mean()),
    }
