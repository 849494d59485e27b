"""The host's bookkeeping alone: the real queue, ledger and parts over slots that train nothing.

python -m tests.sweep.test_scale 10000 100000 prints its time and memory.
"""

import dataclasses
import pathlib
import resource
import sys
import tempfile
import time
from typing import Any, NamedTuple

import numpy as np
import pytest

from identjax.store import Store
from identjax.sweep.engine import Context, GroupRun
from identjax.sweep.plan import Group, RunSettings
from identjax.sweep.progress import Progress, Status
from identjax.training.member import Member

DEVICES, WIDTH, EVERY = 1024, 2, 100


class State(NamedTuple):
    goal: Any
    step: Any
    fault: Any
    window: Any
    params: Any


class IdleSlots:
    """Slots of many devices whose members get older and nothing else."""

    count, local, traces = DEVICES * WIDTH, range(DEVICES * WIDTH), 1

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

    def read(self, stack: Any) -> Any:
        return stack

    def join(self, state: State, others: list[State]) -> State:
        return state


def simulate(workdir: pathlib.Path, members: int) -> tuple[Status, float]:
    """Run so many members of 100 to 800 steps; give the end's status and seconds per member."""
    many = [
        dataclasses.replace(Member(), init_seed=i, check_every=EVERY, steps=EVERY * (1 + i % 8))
        for i in range(members)
    ]
    many.sort(key=lambda member: (-member.steps, member.member_id))
    group = Group("idle", tuple(many), WIDTH)
    settings = RunSettings(save_seconds=1e9)
    context = Context(settings, Store(workdir), Progress({}, quiet=True), bool, lambda run: None)
    began = time.process_time()
    run = GroupRun(group, IdleSlots(), context)  # type: ignore[arg-type]
    run.run()
    return run.status(), (time.process_time() - began) / members


@pytest.mark.slow
def test_1024_devices_stay_full_until_the_queue_is_empty(tmp_path: pathlib.Path) -> None:
    status, _ = simulate(tmp_path, 20_000)
    assert (status.done, status.pending, status.active) == (20_000, 0, 0)
    assert status.utilisation_queued > 0.99
    assert status.utilisation > 0.9
    parts = Store(tmp_path).parts("snapshots")
    checks = 20_000 * 4.5 / (DEVICES * WIDTH)
    assert len(parts) < checks / 0.9


if __name__ == "__main__":
    for number in map(int, sys.argv[1:]):
        with tempfile.TemporaryDirectory() as folder:
            found, cost = simulate(pathlib.Path(folder), number)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
        used = (
            f"{found.utilisation_queued:.1%} ({found.utilisation:.1%} with the tail) of slots used"
        )
        print(f"{number:,} members: {used}, {cost * 1e6:.0f} us of CPU each, {peak:,.0f} MiB")
