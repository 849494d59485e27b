"""A results folder of members whose starts were changed, with planted curves and rates."""

import pathlib
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from identjax.evaluation.measure import AtSweep, schemas
from identjax.evaluation.results import find_truths
from identjax.schema import make_table
from identjax.store import Store
from identjax.studies.fine_tuning.measure import TABLES, compare_starts
from identjax.sweep.folder.load import Run
from tests.report.planted import SWEEP, make_member, make_rule_row, plant

RATES = (0.1, 0.3, 0.9)
CHANGES = [("rescale", 0.25, 0), ("rescale", 1.0, 0), ("rescale", 4.0, 0), ("rescale", 100.0, 0)]
CHANGES += [("query_key", 0.25, 0), ("query_key", 4.0, 0)]
CHANGES += [("permute", 1.0, 1), ("permute", 1.0, 2)]
STEPS = 500
Change = tuple[str, float, int]


def tuned(seed: int, rate: float, change: str, alpha: float, number: int, role: str) -> Any:
    status = "diverged" if alpha == 100 else "done"
    return make_member("L3", "transformer", "sgd", seed, status) | {
        "member_id": f"{seed}-{rate}-{change}-{alpha}-{number}",
        "learning_rate": rate,
        "start_digest": f"digest{seed}",
        "change": change,
        "alpha": alpha,
        "change_seed": number,
        "role": role,
        "budget": STEPS,
        "steps": 30 if alpha == 100 else STEPS,
    }


def final_kl(member: dict[str, Any]) -> float:
    """Of the first two rates .1 is the better one on the seed that chooses, .3 on the others.

    The last is the best for all, but halfway a permutation moves the loss there.
    """
    rate = member["learning_rate"]
    better = rate == (0.1 if member["role"] == "select" else 0.3)
    level = 1.0 if rate == 0.9 else 2.0 if better else 4.0
    moved = 1e-6 * member["change_seed"]
    return level * member["alpha"] * (1 + member["init_seed"] / 10) + moved


def curve_rows(member: dict[str, Any]) -> list[tuple[str, int, str, float]]:
    own = member["member_id"]
    rows = [(own, 0, "kl_nats", 9.0)]
    if member["status"] == "diverged":
        return [*rows, (own, 30, "kl_nats", 1e9)]
    jumps = member["learning_rate"] == 0.9 and member["change_seed"] == 2
    halfway = 6.0 + (0.1 if jumps else 0.0)
    rows += [(own, STEPS // 2, "kl_nats", halfway), (own, STEPS, "kl_nats", final_kl(member))]
    return rows


def plant_tuned(
    workdir: pathlib.Path,
    rates: Sequence[float] = RATES,
    changes: Sequence[Change] = CHANGES,
) -> Store:
    """Write a folder as a sweep and the measures before this study's would."""
    store = plant(workdir, architectures=("transformer",), seeds=2)
    config = SWEEP["config"] | {"start_from": {"workdir": str(workdir / "source"), "rung": "0.1"}}
    store.write_sweep({**(store.read_sweep() or {}), "config": config})
    controls = [("none", 1.0, 0), *CHANGES[-2:]]
    select = [tuned(0, rate, *c, "select") for rate in rates for c in controls]
    shown = [tuned(seed, rate, *c, "report") for seed in (1, 2) for rate in rates for c in changes]
    members = select + shown
    store.write_members(pa.Table.from_pylist(members))
    names = ["member_id", "step", "metric", "value"]
    rows = [dict(zip(names, row, strict=True)) for m in members for row in curve_rows(m)]
    store.write_part("curves", "tuned", 0, 1, pa.Table.from_pylist(rows))
    rules = [make_rule_row(m, "final", "ood", "R1", 1 / (1 + m["alpha"]), 200) for m in members]
    store.write_eval("rules", pa.Table.from_pylist(rules))
    likelihood = [
        {"member_id": m["member_id"], "rung": "final", "step": 1, "kl_nats": 1.0, "kl_stderr": 0.0}
        for m in members
    ]
    store.write_eval("likelihood", pa.Table.from_pylist(likelihood))
    return store


def conclude(store: Store) -> None:
    """Write what the study measures of a folder, as the command would."""
    run = Run(str(store.workdir))
    members = run.members().to_pylist()
    (truth,) = find_truths(members)

    def table(name: str) -> pa.Table:
        found = run.evals(name)
        return schemas()[name].empty_table() if found is None else found

    for name, rows in compare_starts(AtSweep(truth, {}, run, members, table)).items():
        store.write_eval(name, make_table(name, TABLES[name], {**truth.names, **rows}))


def read(store: Store, name: str) -> list[dict[str, Any]]:
    found = store.read_eval(name)
    return [] if found is None else found.to_pylist()
