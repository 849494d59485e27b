"""The curve compares the same members at every ε, and says who is lost and what is matched."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pytest

from identjax.evaluation.measure import AtSweep
from identjax.evaluation.measures.curve import bounds_of, follow, measure_curve
from identjax.schema import schema_of
from identjax.statistics.intervals import pair_interval

Row = dict[str, Any]
RUNGS = ("1", "0.1", "0.01")
CELLS = {f"{cell[0]}{i}": cell for cell in ("lstm", "gru") for i in range(6)}
EVERYONE = {rung: list(CELLS) for rung in RUNGS}
PLAIN = {"objective": "mle", "optimizer": "adamw", "role": "report", "status": "done"}
PAIRS = schema_of(
    **dict.fromkeys(("language", "rung", "split", "measure", "member_a", "member_b"), str),
    value=float,
)
LIKELIHOOD = schema_of(member_id=str, rung=str, step=int, kl_nats=float, kl_stderr=float)


def size_of(rung: str) -> float:
    return 0.005 if rung == "final" else float(rung)


def kl_of(member: str, rung: str) -> float:
    return size_of(rung) * (0.5 + int(member[1:]) / 20)


def apart(a: str, b: str, rung: str, split: str) -> float:
    """On the support as the KL; off it .1 within a cell and .3 between, whatever the rung."""
    if split == "id":
        return size_of(rung) / 10
    return 0.1 if CELLS[a] == CELLS[b] else 0.3


def sweep(
    reached: Mapping[str, Sequence[str]],
    value: Callable[[str, str, str, str], float] = apart,
    select: Sequence[str] = (),
) -> AtSweep:
    """A sweep in which these members reached these rungs."""
    members = [
        PLAIN
        | {"member_id": m, "architecture": cell, "role": "select" if m in select else "report"}
        for m, cell in CELLS.items()
    ]
    pairs = [
        {"language": "L3", "rung": rung, "split": split, "measure": name, "member_a": a}
        | {"member_b": b, "value": value(a, b, rung, split)}
        for rung, own in reached.items()
        for a, b in itertools.combinations(sorted(own), 2)
        for name, split in (("js_seq", "id"), ("js_next", "ood"), ("churn", "ood"))
    ]
    likelihood = [
        {"member_id": m, "rung": rung, "step": 1, "kl_nats": kl_of(m, rung), "kl_stderr": 0.0}
        for rung, own in reached.items()
        for m in own
    ]
    tables = {
        "pairwise": pa.Table.from_pylist(pairs, PAIRS),
        "likelihood": pa.Table.from_pylist(likelihood, LIKELIHOOD),
    }
    return cast(AtSweep, SimpleNamespace(members=members, table=tables.__getitem__))


def by(rows: Any, *names: str) -> dict[tuple[Any, ...], Row]:
    return {tuple(row[name] for name in names): row for row in rows}


def test_the_values_slopes_and_kls_are_those_that_were_planted() -> None:
    found = measure_curve(sweep(EVERYONE))
    rows = by(found["curve"], "rung", "measure", "split", "scope", "who")
    for rung, (scope, value, n) in itertools.product(
        RUNGS, (("within", 0.1, 30), ("between", 0.3, 36), ("all", 0.2 + 0.6 / 66, 66))
    ):
        row = rows[rung, "js_next", "ood", scope, "followed"]
        assert row["value"] == pytest.approx(value)
        assert (row["members"], row["pairs"], row["infinite"]) == (12, n, 0)
        assert row["low"] < value < row["high"] <= np.log(2) == row["ceiling"]
        assert row["kl_nats"] == pytest.approx(float(rung) * 0.625)
    on = rows["0.1", "js_seq", "id", "all", "present"]
    assert (on["value"], on["ceiling"]) == (pytest.approx(0.01), pytest.approx(0.2 * np.log(2)))
    slopes = by(found["slopes"], "split", "measure", "scope")
    assert slopes["id", "js_seq", "all"]["slope"] == pytest.approx(1)
    assert [slopes["ood", "js_next", s]["slope"] for s in ("all", "within", "between")] == (
        pytest.approx([0, 0, 0], abs=1e-12)
    )
    reached = by(found["reached"], "rung", "cell")
    low, middle, high = (reached["1", "gru"][f"kl_{name}"] for name in ("min", "median", "max"))
    assert (low, middle, high) == pytest.approx((0.5, 0.625, 0.75))


def test_members_that_are_lost_are_left_out_everywhere_and_counted() -> None:
    late = [m for m in CELLS if m != "l5"]
    found = measure_curve(
        sweep({"1": list(CELLS), "0.1": list(CELLS), "0.01": late, "0.001": late[:2]})
    )
    rows = by(found["curve"], "rung", "measure", "split", "scope", "who")
    members = {
        (rung, who): row["members"]
        for (rung, *_, scope, who), row in rows.items()
        if scope == "all"
    }
    assert {n for (_, who), n in members.items() if who == "followed"} == {11}
    assert members["1", "present"] == 12
    assert ("0.001", "followed") not in members
    reached = by(found["reached"], "rung", "cell")
    assert [reached["0.01", "lstm"][name] for name in ("members", "reached", "followed")] == [
        6,
        5,
        5,
    ]
    assert reached["0.01", "lstm"]["missing"] == "l5"
    assert reached["0.001", "gru"]["reached"] == 0
    assert np.isnan(reached["0.001", "gru"]["kl_min"])


def test_a_cell_that_stays_behind_does_not_end_the_curve() -> None:
    everyone, lstm = set(CELLS), {m for m in CELLS if CELLS[m] == "lstm"}
    found = follow({"1": everyone, "0.1": lstm | {"g0"}, "0.01": lstm}, CELLS, "0.01")
    assert found == (sorted(lstm), ["1", "0.1", "0.01"])
    both = follow({"1": everyone, "0.1": lstm | {"g0"}, "0.01": lstm}, CELLS, "1")
    assert both == (sorted(everyone), ["1"])
    assert follow({}, CELLS, None) == ([], [])


def test_matched_pairs_have_one_kl() -> None:
    found = measure_curve(sweep(EVERYONE))
    rows = by(found["curve"], "rung", "measure", "scope", "who")
    kls = np.array([kl_of(m, "1") for m in sorted(CELLS)])
    near = [max(a, b) / min(a, b) <= 1.25 for a, b in itertools.combinations(kls, 2)]
    assert 0 < sum(near) < 66
    assert rows["1", "js_next", "all", "matched"]["pairs"] == sum(near)


def test_infinite_pairs_are_left_out_and_counted_and_selectors_do_not_count() -> None:
    def value(a: str, b: str, rung: str, split: str) -> float:
        return np.inf if (a, b) == ("g0", "g1") else apart(a, b, rung, split)

    found = measure_curve(sweep(EVERYONE, value, select=["l5"]))
    row = by(found["curve"], "rung", "measure", "scope", "who")["1", "js_next", "within", "present"]
    assert (row["members"], row["pairs"], row["infinite"]) == (11, 24, 1)
    assert row["value"] == pytest.approx(0.1)


@pytest.mark.parametrize(
    "reached", [{}, {"1": ["l0"]}, {"final": ["l0", "l1"]}, {"1": ["l0", "g0"]}]
)
def test_too_little_says_little(reached: dict[str, list[str]]) -> None:
    found = measure_curve(sweep(reached))
    assert found["slopes"] == []
    rows = list(found["curve"])
    assert len(rows) == (18 if reached == {"1": ["l0", "g0"]} else 0)
    assert all(np.isnan(row["low"]) for row in rows)


def test_the_loss_bounds_the_divergence_along_strings_of_the_truth() -> None:
    """JS of two laws is at most ln 2 times the sum of their KLs from a third."""
    rng = np.random.default_rng(0)
    p, a, b = rng.dirichlet(np.full(4, 0.3), (3, 20_000)) + 1e-12
    kl = [(p * np.log(p / q)).sum(1) for q in (a, b)]
    middle = (a + b) / 2
    js = sum((q * np.log(q / middle)).sum(1) / 2 for q in (a, b))
    assert (js <= np.log(2) * (kl[0] + kl[1]) + 1e-9).all()
    assert bounds_of("js_seq", 0.5)[1] == pytest.approx(np.log(2))


def test_the_interval_is_that_of_pairs() -> None:
    found = measure_curve(sweep({"1": list(CELLS)}))
    row = by(found["curve"], "measure", "scope", "who")["js_next", "all", "present"]
    ids = sorted(CELLS)
    matrix = np.array([[0 if a == b else apart(a, b, "1", "ood") for b in ids] for a in ids])
    whole = pair_interval(matrix, bounds=(0, float(np.log(2))))
    assert (row["low"], row["high"]) == (whole.low, whole.high)
