"""The rows of evals/sets.parquet: a rung's members as one set, and each cell's as one."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from identjax.evaluation.cells import name_cells
from identjax.evaluation.eval_tables import join_rows, make_rows, select_rows
from identjax.evaluation.pairs import label_completions, pivot_rows
from identjax.statistics.rashomon import (
    measure_ambiguity,
    measure_capacity,
    measure_discrepancy,
    measure_underspecification,
)

EVERYONE = "all"
STRESS_RULE = "R1"


def measure_sets(
    members: Sequence[Mapping[str, Any]],
    laws: Mapping[str, np.ndarray],
    tables: Mapping[str, pa.Table],
    names: Mapping[str, str | int],
) -> pa.Table:
    """Measure ambiguity, discrepancy, capacity and underspecification on every split.

    `members` are rows of members.parquet in the order of the laws; those whose role is to select
    do not count. The reference of the discrepancy is the member nearest to the truth.
    """
    cells = name_cells(members)
    scopes = {EVERYONE: range(len(members))} | {
        name: [row for row, cell in enumerate(cells) if cell == name] for name in sorted(set(cells))
    }
    rows = []
    for scope, everyone in scopes.items():
        chosen = [row for row in everyone if members[row]["role"] == "report"]
        if len(chosen) < 2:
            continue
        ids = [str(members[row]["member_id"]) for row in chosen]
        for split, laws_MxNxV in laws.items():
            found = _measure_scope(ids, split, laws_MxNxV[chosen], tables)
            own = {"split": split, "scope": scope, "members": len(ids)}
            values = {"measure": list(found), "value": list(found.values())}
            rows.append(make_rows("sets", {**names, **own, **values}))
    return join_rows("sets", rows)


def _measure_scope(
    ids: Sequence[str], split: str, laws_MxNxV: np.ndarray, tables: Mapping[str, pa.Table]
) -> dict[str, float]:
    labels_MxN = label_completions(ids, tables["completions"], split)
    nearest = int(np.argmin(pivot_rows(ids, tables["likelihood"], "kl_nats")[:, 0]))
    found = {
        "ambiguity": measure_ambiguity(labels_MxN),
        "discrepancy": measure_discrepancy(labels_MxN, nearest),
        "capacity": float(measure_capacity(laws_MxNxV).mean()),
    }
    rates = {s: _rates_of(ids, tables["rules"], s) for s in (split, "id")}
    if split != "id" and all(rate is not None for rate in rates.values()):
        found["underspecification"] = measure_underspecification(rates[split], rates["id"])
    return found


def _rates_of(ids: Sequence[str], rules: pa.Table, split: str) -> Any:
    own = select_rows(rules, split=split, rule=STRESS_RULE)
    if not own.num_rows or own["rate"].null_count:
        return None
    return pivot_rows(ids, own, "rate")[:, 0]
