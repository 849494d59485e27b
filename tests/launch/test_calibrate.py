"""The command that simulates: designs by name, the same numbers again, and where they must lie."""

import math

import numpy as np
import pytest

import launch.calibration  # noqa: F401 (registers designs)
from identjax.errors import ConfigError
from launch.calibration import design
from launch.calibration.design import Finding, choose, simulate


@pytest.fixture
def coin(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = type(design.DESIGNS)("design")
    monkeypatch.setattr(design, "DESIGNS", registry)
    for name in ("toss/fair", "toss/again", "other"):

        @registry.register(name)
        def toss(runs: int, random: np.random.Generator) -> list[Finding]:
            return [Finding("coin", "heads", float(random.random(runs).mean()), 0.3, 0.7)]


@pytest.mark.usefixtures("coin")
def test_designs_are_named_one_by_one_or_by_what_stands_before_the_slash() -> None:
    assert choose([]) == ["toss/fair", "toss/again", "other"]
    assert choose(["toss"]) == ["toss/fair", "toss/again"]
    assert choose(["other", "toss/again"]) == ["toss/again", "other"]
    with pytest.raises(ConfigError, match="did you mean 'toss"):
        choose(["tos"])


@pytest.mark.usefixtures("coin")
def test_a_design_gives_the_same_numbers_whatever_else_runs() -> None:
    first = simulate("toss/fair", 50, 0)
    assert simulate("toss/again", 50, 0) != first
    assert simulate("toss/fair", 50, 0) == first
    assert simulate("toss/fair", 50, 1) != first
    assert first[0].verdict == "met"


def test_a_finding_says_where_it_must_lie() -> None:
    ends: list[tuple[float, ...]] = [(), (0.6,), (-math.inf, 0.6), (0.4, 0.6)]
    found = [Finding("a", "b", 0.5, *between) for between in ends]
    assert [one.aim for one in found] == ["", "at least 0.6", "at most 0.6", "0.4 to 0.6"]
    assert [one.verdict for one in found] == ["", "missed", "met", "met"]
    assert Finding("a", "b", math.nan, 0, 1).verdict == "missed"
    assert Finding("a", "b", math.nan, 0, 1).as_json()["value"] is None
