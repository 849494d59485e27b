"""Memory that runs out, and what a short trial says before: one line, and nothing lost."""

import itertools
import pathlib
from typing import Any

import jax
import pytest

from identjax.errors import ConfigError
from identjax.store import Store
from identjax.sweep.engine import device_memory as room
from identjax.sweep.engine import probe
from identjax.sweep.engine.device_memory import OutOfMemory
from identjax.sweep.engine.probe import estimate_run, tune
from identjax.sweep.engine.slots import Slots
from identjax.sweep.folder.resume import widths_of
from identjax.sweep.plan.groups import Devices
from tests.sweep.harness import SEEDS, final_digests, plan_of, prepare_once, train, train_until


@pytest.fixture(autouse=True)
def _share_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "prepare", prepare_once)


def fail_at_chunk(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Let the devices have no memory for one chunk."""
    plain, calls = Slots.chunk, itertools.count(1)

    def chunk(slots: Slots, state: Any, steps: int) -> Any:
        if next(calls) == number:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes")
        return plain(slots, state, steps)

    monkeypatch.setattr(Slots, "chunk", chunk)


def test_memory_that_runs_out_is_one_line_and_loses_nothing(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = final_digests(train(tmp_path / "calm")[0])
    fail_at_chunk(monkeypatch, 3)
    (group,) = plan_of().groups
    with pytest.raises(OutOfMemory, match=f"group {group.name} at width 2.*width 1 fits") as caught:
        train(tmp_path / "run")
    assert "\n" not in str(caught.value)
    store, counts = train(tmp_path / "run")
    assert counts == {"done": 4}
    assert final_digests(store) == expected


def test_a_group_that_has_not_begun_takes_another_width(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_at_chunk(monkeypatch, 1)
    with pytest.raises(OutOfMemory):
        train(tmp_path)
    assert widths_of(Store(tmp_path), chosen=1) == {}
    _, counts = train(tmp_path, width=1)
    assert counts == {"done": 4}
    assert list(widths_of(Store(tmp_path), chosen=2).values()) == [1]
    with pytest.raises(ConfigError, match="width=2"):
        train(tmp_path, width=2)


def test_another_error_of_the_devices_is_not_taken_for_it(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def chunk(*_: Any) -> Any:
        raise jax.errors.JaxRuntimeError("INTERNAL: lost the device")

    monkeypatch.setattr(Slots, "chunk", chunk)
    with pytest.raises(jax.errors.JaxRuntimeError, match="INTERNAL"):
        train(tmp_path)


def test_a_width_that_cannot_fit_is_refused_with_one_that_does(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (group,) = plan_of().groups
    planned = prepare_once(group).planned_bytes
    assert planned > 0
    small = Devices(2, "cpu", planned * 0.6)
    monkeypatch.setattr(room, "find_devices", lambda: small)
    with pytest.raises(ConfigError, match=rf"width=2.*{group.name}.*width 1 fits"):
        train(tmp_path)


def test_a_trial_tells_time_and_memory_and_changes_nothing() -> None:
    (group,) = plan_of().groups
    line = estimate_run(group)
    assert [
        word for word in (group.name, "member-steps/s", "compiled in") if word not in line
    ] == []


def test_widths_are_tried_up_to_what_members_fill() -> None:
    (group,) = plan_of(SEEDS[:3]).groups
    lines = list(tune(group))
    assert [line.split(":")[0].strip() for line in lines[1:-1]] == ["width 1", "width 2"]
    assert "the knee is at width" in lines[-1]
    assert "this run has 2" in lines[-1]


def test_memory_of_a_device_does_not_depend_on_the_number_of_members(
    tmp_path: pathlib.Path,
) -> None:
    many = [{"init_seed": seed} for seed in range(64)]
    few, all_64 = (train_until(tmp_path / str(n), plan_of(many[:n]), 1) for n in (4, 64))
    nbytes = [sum(x.nbytes for x in jax.tree.leaves(run.state)) for run in (few, all_64)]
    assert nbytes[0] == nbytes[1]
    assert few.slots.planned_bytes == all_64.slots.planned_bytes
