"""What a run will take, by its numbers and by a short trial, and which width costs the least."""

import dataclasses
import heapq
import time
from collections.abc import Iterator

import jax

from identjax.checkpoint import KEEP
from identjax.models.costs import count_parameters
from identjax.sweep.engine.device_memory import prepare, telling_of_memory
from identjax.sweep.engine.progress import clock
from identjax.sweep.plan.groups import Group, Plan, RunSettings, find_devices
from identjax.training.step import TrainState, hyper_of

# Seconds of steps that a trial takes, and what counts as no dearer than the best width.
_ENOUGH, _NEAR = 1.0, 1.05


@dataclasses.dataclass(frozen=True)
class Trial:
    """What a trial found: seconds of a step and of a check of all slots, and bytes on a device."""

    width: int
    slots: int
    compiled: float
    steps: int
    step: float
    check: float
    planned_bytes: int

    @property
    def member_step(self) -> float:
        """Seconds per member-step, with every slot in use."""
        return self.step / self.slots


def describe_plan(plan: Plan, tries: bool = False, tunes: bool = False) -> Iterator[str]:
    """Say in a line what each group costs, and after a short trial how long, or how wide."""
    for group in plan.groups:
        if group.members:
            yield describe_group(group, plan.settings)
            yield from tune(group) if tunes else [estimate_run(group)] if tries else ()


def describe_group(group: Group, settings: RunSettings) -> str:
    """Say in a line what a group costs, without compiling anything."""
    steps, slot = sum(m.steps for m in group.members), group.state_bytes
    return (
        f"{group.name}: {len(group.members)} members, width {group.width} on each of "
        f"{jax.device_count()} devices, {steps:,} member-steps at most, "
        f"{group.members[0].batching} batches, {slot / 2**20:.2f} MiB of state a slot, "
        f"{group.width * slot / 2**20:.1f} MiB a device, "
        f"at most {estimate_disk(group, settings) / 2**20:.1f} MiB of disk"
    )


def try_width(group: Group, width: int) -> Trial:
    """Compile a group's programs at a width, and time some steps and a check."""
    began, tried = time.perf_counter(), dataclasses.replace(group, width=width)
    slots = prepare(tried)
    compiled = time.perf_counter() - began
    with group.precision.enabled(), telling_of_memory(tried, slots):
        hyper = hyper_of(group.members[0])
        state: TrainState = slots.chunk(slots.start([hyper] * slots.count), 1)
        jax.block_until_ready(slots.check(state))
        began = time.perf_counter()
        jax.block_until_ready(slots.check(state))
        check, steps, took = time.perf_counter() - began, 1, 0.0
        while True:
            began = time.perf_counter()
            state = jax.block_until_ready(slots.chunk(state, steps))
            took = time.perf_counter() - began
            if took > _ENOUGH / 4:
                break
            steps *= 4
    planned = slots.planned_bytes
    return Trial(width, slots.count, compiled, steps, took / steps, check, planned)


def estimate_run(group: Group) -> str:
    """Say in a line what a trial lets expect of a group's run."""
    trial = try_width(group, group.width)
    steps = count_slot_steps([member.steps for member in group.members], trial.slots)
    every = group.members[0].check_every
    seconds = steps * (trial.step + trial.check / every) + trial.compiled
    return (
        f"{group.name}: about {clock(seconds)} at most, at {1 / trial.member_step:,.0f} "
        f"member-steps/s; {trial.planned_bytes / 2**20:.1f} MiB a device as compiled "
        f"(compiled in {trial.compiled:.1f} s, and took {trial.steps} steps to see)"
    )


def count_slot_steps(budgets: list[int], slots: int) -> int:
    """Count the steps until the last of the members ends, each taking the next free slot.

    >>> count_slot_steps([10, 6, 5], 2)
    11
    """
    ends = [0] * slots
    for budget in budgets:
        heapq.heapreplace(ends, ends[0] + budget)
    return max(ends)


def estimate_disk(group: Group, settings: RunSettings) -> float:
    """Estimate the most bytes that a group's snapshots, curves and checkpoints take."""
    rungs = len(settings.rungs) + len(settings.snapshot_steps) + 1
    numbers = count_parameters(group.members[0].build_model())
    snapshots = len(group.members) * rungs * 4 * numbers
    checks = sum(member.steps for member in group.members) / group.members[0].check_every
    slots = group.width * jax.device_count()
    return snapshots + 3 * 16 * checks + KEEP * slots * group.state_bytes


def tune(group: Group) -> Iterator[str]:
    """Time a member-step over widths, a line for each, and name the knee; the run is not changed.

    Widths go up to what the members fill and the memory holds, or until two in turn are dearer.
    """
    devices = find_devices()
    trials: list[Trial] = []
    share = -(-len(group.members) // devices.count)
    room = devices.memory / group.step_bytes
    yield f"{group.name}: {len(group.members)} members on {devices.count} devices"
    width, dearer = 1, 0
    while width < 2 * share and width <= max(room, 1) and dearer < 2:
        trials.append(try_width(group, width))
        yield (
            f"  width {width}: {1e3 * trials[-1].member_step:.4g} ms per member-step, "
            f"{trials[-1].planned_bytes / 2**20:.1f} MiB a device"
        )
        best = min(trial.member_step for trial in trials)
        dearer = dearer + 1 if trials[-1].member_step > 1.15 * best else 0
        width *= 2
    knee = min(trial.width for trial in trials if trial.member_step <= _NEAR * best)
    yield f"  the knee is at width {knee}; this run has {group.width} (set it by config.width)"
