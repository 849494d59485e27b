"""The construction and the observers as rows, on sizes that take seconds."""

import dataclasses
import itertools
import json
from typing import Any

import jax
import jax.numpy as jnp
import pyarrow as pa
import pytest

from identjax import languages
from identjax.evaluation.evaluate import evaluate
from identjax.evaluation.measure import AtTruth
from identjax.evaluation.results import Truth
from identjax.studies.in_context import ginc_tasks
from identjax.studies.in_context.measure import ask_observers, has_tasks
from tests.evaluation.harness import PlantedRun, rows

NAMES = {"language": "ginc", "max_length": 12, "language_options": json.dumps({"words": 50})}
LANG = languages.make("ginc", 12, words=50)
TRUTH = Truth("ginc", 12, json.dumps({"words": 50}), (), ())
FEW = 16


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ginc_tasks, "LENGTHS", (3,))
    monkeypatch.setattr(ginc_tasks, "LONGEST_PROMPT", 20)


def test_flipping_costs_less_than_its_bound_and_nothing_stays_as_it_was() -> None:
    found: Any = ask_observers(AtTruth(TRUTH, {}), FEW)["in_context_swaps"]
    curve = [row for row in found if row["form"] == "k=3"]
    listed = [row for row in found if row["form"] != "k=3"]
    assert [row["examples"] for row in curve] == [0, 1, 2, 4]
    assert [row["agreement"] for row in found] == [0.0] * len(found)
    for row in found:
        assert 0 < row["kl_nats"] + 3 * row["kl_stderr"] < row["bound"]
    bounds = [row["bound"] for row in curve]
    assert all(later < bound / 5 for bound, later in itertools.pairwise(bounds))
    for row in curve[2:]:
        assert row["accuracy"] <= 0.1
        assert row["truth_accuracy"] >= 0.7
    assert len(listed) == 2
    for row in listed:
        assert row["kl_nats"] == pytest.approx(row["kl_forward"], rel=1e-9)


def test_knowing_the_format_beats_not_knowing_it_and_chance() -> None:
    found: Any = ask_observers(AtTruth(TRUTH, {}), FEW)["in_context_observers"]
    assert {row["prompts"] for row in found} == {FEW}
    at_two = {row["observer"]: row for row in found if row["examples"] == 2}
    aware, chance, truth = (at_two[name] for name in ("prompt-aware Bayes", "chance", "truth"))
    assert aware["accuracy"] >= 0.9 > chance["accuracy"] == pytest.approx(1 / 50)
    assert aware["answered"] == 1 > truth["answered"]
    assert at_two["filter, smoothing 0.1"]["answered"] == 1


def test_only_languages_with_tasks_are_asked() -> None:
    assert has_tasks(LANG)
    assert not has_tasks(languages.make("L3", 8))


class GincRun(PlantedRun):
    """Members that are smoothed filters of the language."""

    def members(self) -> pa.Table:
        table = super().members()
        for name, value in NAMES.items():
            at = table.column_names.index(name)
            table = table.set_column(at, name, pa.array([value] * table.num_rows))
        return table

    def predictors(self, rung="final", members=None):
        self.loads += 1
        ids = sorted(members or self.laws)
        smooth = dataclasses.replace(LANG.core, smoothing=jnp.float32(0.1))
        stack = jax.tree.map(lambda leaf: jnp.stack([jnp.asarray(leaf)] * len(ids)), smooth)
        return {"even": (ids, stack)}


@pytest.mark.slow
def test_evaluation_asks_members_once(tmp_path) -> None:
    run = GincRun(tmp_path, {"m0": None}, rungs=("final",))
    few = {name: {"count": FEW} for name in ("in_context", "in_context_observers")}
    evaluate(run, splits=["bos"], say=lambda _: None, options=few)
    found = rows(run, "in_context")
    assert [(row["examples"], row["prompts"]) for row in found] == [(0, FEW), (1, FEW), (2, FEW)]
    asked = {
        row["examples"]: row
        for row in rows(run, "in_context_observers", observer="filter, smoothing 0.1")
    }
    for row in found:
        assert row["accuracy"] == asked[row["examples"]]["accuracy"]
        assert row["tv"] == pytest.approx(asked[row["examples"]]["tv"], abs=1e-4)
    loads = run.loads
    evaluate(run, splits=["bos"], say=lambda _: None, options=few)
    assert (run.loads, rows(run, "in_context")) == (loads, found)
