"""Small sweeps for tests: a few LSTMs on a^n b^n that train in a second."""

import contextlib
import itertools
import math
import pathlib
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pyarrow.compute as pc

from identjax.axes import axis
from identjax.store import Store
from identjax.sweep.engine.device_memory import check_room, prepare
from identjax.sweep.engine.group_run import Context, GroupRun, Preempted
from identjax.sweep.engine.progress import Progress
from identjax.sweep.engine.slots import Slots
from identjax.sweep.plan.groups import Group, Plan, make_plan
from identjax.sweep.run import run_sweep

CONFIG: dict[str, Any] = {
    "language": "L3",
    "max_length": 6,
    "architecture": "lstm",
    "model": {"lstm": {"hidden": 4, "embedding": 4}},
    "learning_rate": 0.05,
    "steps": 20,
    "warmup": 2,
    "check_every": 5,
    "rungs": (1.0, 0.5),
    "width": 2,
    "save_seconds": 0.0,
}
SEEDS = axis("init_seed", range(4))
_MADE: dict[tuple[str, int, int], Slots] = {}


def prepare_once(group: Group) -> Slots:
    """Share the compiled programs of one shape; what tests run on them is their own."""
    key = group.name, group.width, jax.device_count()
    if key not in _MADE:
        _MADE[key] = prepare(group)
    check_room(group, _MADE[key])
    return _MADE[key]


def plan_of(sweep: list[dict[str, Any]] = SEEDS, **changes: Any) -> Plan:
    return make_plan(CONFIG | changes, sweep)


def train(
    workdir: pathlib.Path, sweep: list[dict[str, Any]] = SEEDS, **changes: Any
) -> tuple[Store, dict[str, int]]:
    store = Store(workdir)
    return store, run_sweep(plan_of(sweep, **changes), store, {}, prepare=prepare_once)


def train_until(
    workdir: pathlib.Path, plan: Plan, chunks: float = math.inf, slots: Slots | None = None
) -> GroupRun:
    """Run the plan's one group until it has been asked whether to stop so many times."""
    asked = itertools.count()
    stop: Callable[[], bool] = lambda: next(asked) >= chunks  # noqa: E731
    context = Context(plan.settings, Store(workdir), Progress({}), stop, lambda run: None)
    group = plan.groups[0]
    with group.precision.enabled(), contextlib.suppress(Preempted):
        run = GroupRun(group, slots or prepare_once(group), context)
        run.run()
    return run


def final_digests(store: Store) -> dict[str, str]:
    """Give the digest of every member's last parameters; a member must have exactly one."""
    table = store.read_parts("snapshots")
    table = table.filter(pc.equal(table["rung"], "final"))
    ids = table["member_id"].to_pylist()
    assert len(ids) == len(set(ids))
    return dict(zip(ids, table["digest"].to_pylist(), strict=True))


def rows_of(store: Store, kind: str) -> list[tuple[Any, ...]]:
    """Give what a run wrote, in an order of its own, to compare two runs."""
    keys = {"snapshots": ["member_id", "rung", "step", "kl_nats", "status", "digest"]}
    table = store.read_parts(kind, keys.get(kind))
    return sorted(zip(*table.to_pydict().values(), strict=True))


def loss_curve(store: Store, metric: str) -> np.ndarray[Any, Any]:
    table = store.read_parts("curves")
    return table.filter(pc.equal(table["metric"], metric))["value"].to_numpy()
