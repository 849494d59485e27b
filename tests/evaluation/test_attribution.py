"""What is split over choices and seeds: the right members, labels and distances, and once."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from identjax.evaluation.measure import schemas
from identjax.evaluation.measures import attribution
from identjax.evaluation.measures.attribution import (
    label_choices,
    label_seeds,
    measure_attribution,
)
from identjax.schema import make_table
from identjax.statistics import permanova
from identjax.sweep.folder.ledger import Standing
from identjax.sweep.folder.members_table import member_row
from identjax.training.member import resolve

Row = dict[str, Any]


def make_members(**sweep: Any) -> list[Row]:
    rows = []
    for architecture in ("lstm", "gru"):
        for optimizer in ("adamw", "sgd"):
            for seed in range(4):
                own = {"architecture": architecture, "optimizer": optimizer, "init_seed": seed}
                member = resolve({**own, "language": "L3", **sweep})
                rows.append(member_row(member, Standing("done", 10, "")))
    return rows


class Planted:
    """What a measure of a sweep sees: pairs at random distances, rates, and what stood before."""

    def __init__(self, members: list[Row]) -> None:
        self.members = members
        self.before: pa.Table = schemas()["attribution"].empty_table()
        random = np.random.default_rng(0)
        ids = sorted(row["member_id"] for row in members)
        points = random.normal(size=(len(ids), 3))
        self.far = np.linalg.norm(points[:, None] - points, axis=-1)
        self.ids, self.rates = ids, random.random(len(ids))

    def table(self, name: str) -> pa.Table:
        at = {"rung": "0.1", "split": "ood"}
        if name == "attribution":
            return self.before
        if name == "rules":
            rates = zip(self.ids, self.rates, strict=True)
            judged = {**at, "rule": "R1", "finished": 1.0}
            rows: list[Row] = [{**judged, "member_id": m, "rate": r} for m, r in rates]
            rows.append({**rows[0], "rung": "1", "rate": None})
            return pa.Table.from_pylist(rows, schemas()[name])
        rows = [
            {**at, "language": "L3", "measure": measure, "value": value}
            | {"member_a": self.ids[i], "member_b": self.ids[j]}
            for i in range(len(self.ids))
            for j in range(i + 1, len(self.ids))
            for measure, value in (("js_next", self.far[i, j] ** 2), ("churn", self.far[i, j]))
        ]
        return pa.Table.from_pylist(rows, schemas()[name])

    def measure(self) -> list[Row]:
        found = measure_attribution(self)["attribution"]  # type: ignore[arg-type]
        truth = {"language": "L3", "max_length": 32, "language_options": "{}"}
        self.before = make_table("attribution", schemas()["attribution"], {**truth, **found})
        return self.before.to_pylist()


def test_shares_are_those_of_the_distances() -> None:
    planted = Planted(make_members())
    rows = planted.measure()
    found = {(row["measure"], row["source"]): row for row in rows}
    assert {measure for measure, _ in found} == {"js_next", "churn", "rate_R1"}
    for source in ("architecture", "init_seed", "residual"):
        # The root of JS is the distance, and so is churn itself: here they are the same.
        shares = [found[measure, source]["share"] for measure in ("js_next", "churn")]
        assert shares[0] == pytest.approx(shares[1])
    members = {row["member_id"]: row for row in planted.members}
    choices = {
        name: [members[m][name] for m in planted.ids] for name in ("architecture", "optimizer")
    }
    units = [(members[m]["architecture"], members[m]["init_seed"]) for m in planted.ids]
    for row in permanova(planted.far, choices, units=units)[:-1]:
        assert found["churn", row.source]["share"] == pytest.approx(row.share)
        assert found["churn", row.source]["p"] == pytest.approx(row.p)
    assert found["churn", "residual"]["note"] == "holds optimizer:init_seed"
    assert {row["members"] for row in rows} == {16}


def test_an_initialisation_is_that_of_an_architecture_whatever_the_optimizer_is() -> None:
    rows = make_members()
    labels = label_seeds(rows)
    assert list(labels) == ["init_seed"]
    assert len(set(labels["init_seed"])) == 8
    assert label_seeds(rows[:1]) == {}
    assert list(label_choices(rows)) == ["architecture", "optimizer"]


def test_members_that_served_to_select_do_not_count() -> None:
    planted = Planted(make_members())
    for row in planted.members:
        row["role"] = "select" if row["init_seed"] == 0 else "report"
    assert {row["members"] for row in planted.measure()} == {12}


def test_what_stands_is_kept_until_something_is_new(monkeypatch: pytest.MonkeyPatch) -> None:
    planted, made = Planted(make_members()), []
    first = planted.measure()
    split = attribution.Layout.split

    def count(self: Any, values: Any) -> Any:
        made.append(values.shape)
        return split(self, values)

    monkeypatch.setattr(attribution.Layout, "split", count)
    assert planted.measure() == first
    assert made == []
    planted.rates = planted.rates**2
    assert planted.measure() != first
    assert made == [(16,)]


def test_nothing_is_split_where_nothing_varies() -> None:
    same = [row for row in make_members() if row["architecture"] == "lstm"]
    alone = [row for row in same if row["optimizer"] == "sgd"]
    assert Planted(alone[:1]).measure() == []
    assert Planted(alone).measure() == []
    still = Planted(make_members())
    still.rates = np.full(16, 0.5)
    assert {row["measure"] for row in still.measure()} == {"js_next", "churn"}
