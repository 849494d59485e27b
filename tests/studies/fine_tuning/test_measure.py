"""Changed starts are compared at a rate that others chose; what was concluded stands in evals/."""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from identjax import languages
from identjax.studies.fine_tuning import measure
from identjax.sweep.plan.starts import Drift
from identjax.training.member import Member
from tests.report.planted import plant
from tests.studies.fine_tuning.planted import conclude, plant_tuned, read


class PlantedStarts:
    """A source from which starts are as far as their α is large."""

    asked = 0

    def __init__(self, settings: Mapping[str, Any]) -> None:
        assert settings["rung"] == "0.1"

    def attach(self, member: Member) -> Member:
        return member

    def measure(self, members: Sequence[Member]) -> dict[str, Drift]:
        PlantedStarts.asked += len(members)
        return {m.member_id: Drift(2e-6 * m.alpha, -1e-9 * m.alpha) for m in members}


def test_losses_are_compared_at_the_rate_that_other_seeds_chose(tmp_path: pathlib.Path) -> None:
    store = plant_tuned(tmp_path)
    conclude(store)
    rows = {(r["change"], r["alpha"]): r for r in read(store, "fine_tuning")}
    assert {row["learning_rate"] for row in rows.values()} == {0.1}
    assert len(rows) == 7
    floor = languages.make("L3", 32).entropy
    ratios = [(4.0 * (1 + s / 10) * 4 + floor) / (4.0 * (1 + s / 10) + floor) for s in (1, 2)]
    row = rows["rescale", 4.0]
    assert [row["ratio_low"], row["ratio_high"]] == pytest.approx(ratios)
    assert row["rate_ood"] == pytest.approx(1 / 5)
    row = rows["rescale", 1.0]
    assert (row["ratio_low"], row["ratio_high"]) == (1.0, 1.0)
    assert (row["members"], row["diverged"], row["step"]) == (2, 0, 500)
    row = rows["permute", 1.0]
    assert (row["members"], row["starts"]) == (4, 2)
    assert 0 < row["ratio_high"] - 1 < 1e-5
    rates = read(store, "fine_tuning_rates")
    found = {(r["learning_rate"], r["steady"], r["chosen"]) for r in rates}
    assert found == {(0.1, True, True), (0.3, True, False), (0.9, False, False)}


def test_a_member_that_diverged_has_no_loss_and_no_curve(tmp_path: pathlib.Path) -> None:
    store = plant_tuned(tmp_path)
    conclude(store)
    (row,) = [r for r in read(store, "fine_tuning") if r["alpha"] == 100]
    assert (row["diverged"], row["members"], row["loss"], row["ratio"]) == (2, 2, None, None)
    curves = read(store, "fine_tuning_curves")
    assert {r["alpha"] for r in curves} == {0.25, 1.0, 4.0}
    mean = {r["step"]: r["kl_nats"] for r in curves if (r["change"], r["alpha"]) == ("rescale", 4)}
    assert mean == pytest.approx({0: 9.0, 250: 6.0, 500: 16 * 1.15})
    members = [r for r in read(store, "fine_tuning_members") if r["alpha"] == 100]
    assert [(r["diverged"], r["ratio"], r["selected_on"]) for r in members] == [(True, None, 1)] * 2


def test_where_no_rate_is_steady_the_best_is_chosen_all_the_same(tmp_path: pathlib.Path) -> None:
    store = plant_tuned(tmp_path, rates=(0.9,))
    conclude(store)
    assert {r["learning_rate"] for r in read(store, "fine_tuning")} == {0.9}


def test_how_far_starts_are_is_measured_once_from_their_source(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = plant_tuned(tmp_path)
    conclude(store)
    assert {r["start_kl_nats"] for r in read(store, "fine_tuning")} == {None}
    monkeypatch.setattr(measure, "Starts", PlantedStarts)
    conclude(store)
    assert PlantedStarts.asked == len(read(store, "fine_tuning_members")) == 16
    rows = {(r["change"], r["alpha"]): r for r in read(store, "fine_tuning")}
    row = rows["rescale", 4.0]
    assert (row["start_kl_nats"], row["start_logits"]) == (4e-9, 8e-6)
    monkeypatch.undo()
    conclude(store)
    assert {(r["change"], r["alpha"]): r for r in read(store, "fine_tuning")} == rows


def test_nothing_is_said_where_no_start_was_changed(tmp_path: pathlib.Path) -> None:
    store = plant(tmp_path)
    conclude(store)
    assert read(store, "fine_tuning") == []
