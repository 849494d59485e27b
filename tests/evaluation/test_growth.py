"""What fewer members would have shown, and how many seeds there should be."""

import itertools
from types import SimpleNamespace
from typing import Any, cast

import pyarrow as pa
import pytest

from identjax.evaluation.measure import AtSweep, schemas
from identjax.evaluation.measures.growth import measure_growth
from identjax.statistics.intervals import plan_seeds

Row = dict[str, Any]
PLAIN = {"objective": "mle", "optimizer": "adamw", "status": "done", "role": "report"}


def sweep(members: list[Row], rates: list[float], answers: list[list[str]]) -> AtSweep:
    """Members at ε = .1, with a rate and completions of the same prompts each."""
    ids = [row["member_id"] for row in members]
    at = {"rung": "0.1", "split": "ood"}
    counts = {"rate_finished": 1.0, "finished": 1.0, "prompts": 2, "unsatisfiable": 0}
    tables: dict[str, list[Row]] = {
        "rules": [
            {"member_id": m, **at, "rule": rule, "rate": rate, **counts}
            for m, rate in zip(ids, rates, strict=True)
            for rule in ("R1", "R2")
        ],
        "completions": [
            {"member_id": m, **at, "prompt": str(n), "completion": text, "finished": True}
            for m, own in zip(ids, answers, strict=True)
            for n, text in enumerate(own)
        ],
        "likelihood": [
            {"member_id": m, "rung": "0.1", "step": 1, "kl_nats": 0.01 * n, "kl_stderr": 0.0}
            for n, m in enumerate(ids)
        ],
        "pairwise": [
            {"language": "L3", **at, "measure": "churn", "member_a": a, "member_b": b, "value": 0.1}
            for a, b in itertools.combinations(ids, 2)
        ],
    }
    made = {name: pa.Table.from_pylist(rows, schemas()[name]) for name, rows in tables.items()}
    return cast(AtSweep, SimpleNamespace(members=members, table=made.__getitem__))


def make_members(lstms: int, grus: int = 0) -> list[Row]:
    cells = ["lstm"] * lstms + ["gru"] * grus
    return [PLAIN | {"member_id": f"m{i}", "architecture": c} for i, c in enumerate(cells)]


def test_sets_of_every_size_and_the_seeds_of_every_cell() -> None:
    answers = [["a", "b"], ["a", "b"], ["a", "c"], ["a", "b"], ["a", "b"], ["x", "b"]]
    rates = [0.1, 0.2, 0.3, 0.4, 0.5, 0.9]
    found = measure_growth(sweep(make_members(5, 1), rates, answers))
    grown = {(r["scope"], r["measure"], r["size"]): r["value"] for r in found["growth"]}
    assert {size for scope, _, size in grown if scope == "all"} == {2, 4, 6}
    assert {scope for scope, _, _ in grown} == {"all", "lstm"}
    assert grown["all", "ambiguity", 6] == 1
    assert grown["all", "ambiguity", 2] == pytest.approx((5 + 5) / 15 / 2)
    assert grown["all", "discrepancy", 6] == 0.5
    assert grown["lstm", "ambiguity", 5] == 0.5
    seeds = {row["half_width"]: row for row in found["seeds"]}
    assert {(row["cell"], row["members"], row["rule"]) for row in found["seeds"]} == {
        ("lstm", 5, "R1")
    }
    assert seeds[0.05]["seeds"] == plan_seeds(rates[:5], 0.05) > seeds[0.1]["seeds"]


@pytest.mark.parametrize("members", [0, 1, 2])
def test_few_members_say_little(members: int) -> None:
    found = measure_growth(sweep(make_members(members), [0.5] * members, [["a"], ["b"]][:members]))
    assert found["seeds"] == []
    assert len(list(found["growth"])) == (4 if members == 2 else 0)


def test_selectors_do_not_count() -> None:
    members = make_members(7)
    members[0] |= {"role": "select"}
    found = measure_growth(sweep(members, [0.5] * 7, [["a"]] * 7))
    assert {row["members"] for row in found["seeds"]} == {6}
    assert max(row["size"] for row in found["growth"]) == 6
