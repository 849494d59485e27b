"""The host's bookkeeping alone: the real queue, ledger and parts over slots that train nothing.

python -m tests.sweep.test_scale 10000 100000 1000000 prints its time and memory.
"""

import itertools
import pathlib
import resource
import sys
import tempfile
import time
import types
from typing import Any, NamedTuple

import numpy as np
import pytest

from identjax.store import Store
from identjax.sweep.engine.group_run import Context, GroupRun
from identjax.sweep.engine.progress import Progress
from identjax.sweep.folder.members_table import Roster
from identjax.sweep.plan.groups import Plan, make_plan

DEVICES, WIDTH, EVERY = 1024, 2, 100


class State(NamedTuple):
    goal: Any
    step: Any
    fault: Any
    window: Any
    params: Any


class IdleSlots:
    """Slots of many devices whose members get older and nothing else."""

    traces = 1

    def __init__(self, count: int) -> None:
        self.count, self.local = count, range(count)

    def zeros(self, hyper: Any, count: int | None = None) -> State:
        m = self.count if count is None else count
        return State(
            *(np.zeros(m, np.int32) for _ in range(4)), {"w": np.zeros((m, 8), np.float32)}
        )

    def place(self, host: Any) -> Any:
        return host

    def start(self, hypers: list[Any]) -> State:
        fresh = self.zeros(None, len(hypers))
        return fresh._replace(goal=np.array([hyper["steps"] for hyper in hypers], np.int32))

    def refill(self, state: State, fresh: State, slots: list[int]) -> State:
        state.goal[slots], state.step[slots] = fresh.goal[slots], 0
        return state

    def chunk(self, state: State, steps: int) -> State:
        return state._replace(step=np.minimum(state.step + steps, state.goal))

    def check(self, state: State) -> tuple[Any, Any]:
        return np.full(self.count, 9.0, np.float32), np.zeros(self.count, np.float32)

    def copy_params(self, state: State) -> Any:
        return {name: leaf.copy() for name, leaf in state.params.items()}

    def read(self, stack: Any) -> Any:
        return stack

    def join(self, state: State, others: list[State]) -> State:
        return state


def plan_of(members: int) -> Plan:
    """Plan members of 100 to 800 steps, in one group."""
    config = {"check_every": EVERY, "width": WIDTH, "save_seconds": 1e9}
    return make_plan(
        config, [{"init_seed": i, "steps": EVERY * (1 + i % 8)} for i in range(members)]
    )


def make_run(workdir: pathlib.Path, plan: Plan, slots: int = DEVICES * WIDTH) -> GroupRun:
    progress = Progress({}, quiet=True)
    context = Context(plan.settings, Store(workdir), progress, bool, lambda run: None)
    return GroupRun(plan.groups[0], IdleSlots(slots), context)  # type: ignore[arg-type]


@pytest.mark.slow
def test_1024_devices_stay_full_until_the_queue_is_empty(tmp_path: pathlib.Path) -> None:
    run = make_run(tmp_path, plan_of(20_000))
    run.run()
    status = run.status()
    assert (status.done, status.pending, status.active) == (20_000, 0, 0)
    assert status.utilisation_queued > 0.99
    assert status.utilisation > 0.9
    checks = 20_000 * 4.5 / (DEVICES * WIDTH)
    assert len(Store(tmp_path).parts("snapshots")) < checks / 0.9


def count_lines(workdir: pathlib.Path, members: int) -> float:
    """Give the lines of this package that are run for each check of 16 slots."""
    run, lines = make_run(workdir, plan_of(members), slots=16), 0

    def trace(frame: types.FrameType, event: str, _: Any) -> Any:
        nonlocal lines
        lines += event == "line"
        return trace if "identjax" in frame.f_globals.get("__name__", "") else None

    sys.settrace(trace)
    try:
        run.run()
    finally:
        sys.settrace(None)
    return lines / run.chunks


def test_a_check_costs_the_host_the_same_however_many_members_there_are(
    tmp_path: pathlib.Path,
) -> None:
    few, many = (count_lines(tmp_path / str(members), members) for members in (200, 2_000))
    assert many < 1.05 * few


def measure(members: int) -> str:
    """Plan and run so many members, and say what that took."""
    marks = [time.process_time()]
    plan = plan_of(members)
    marks.append(time.process_time())
    with tempfile.TemporaryDirectory() as folder:
        run = make_run(pathlib.Path(folder), plan)
        run.run()
        marks.append(time.process_time())
        roster = Roster(plan.members, Store(folder))
        marks.append(time.process_time())
        roster.write({plan.groups[0].name: run.recorder.ledger}, {})
        marks.append(time.process_time())
    status, peak = run.status(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    each = [f"{1e6 * (b - a) / members:.1f}" for a, b in itertools.pairwise(marks)]
    return (
        f"{members:,} members: {status.utilisation_queued:.1%} ({status.utilisation:.1%} with the "
        f"tail) of slots used; us of CPU a member: {each[0]} to plan, {each[1]} to run, {each[2]} "
        f"for the table and {each[3]} for each writing of it; {peak:,.0f} MiB"
    )


if __name__ == "__main__":
    for number in map(int, sys.argv[1:]):
        print(measure(number), flush=True)
