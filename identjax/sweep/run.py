"""A whole sweep in its folder: begun, continued, extended, or found to be done."""

import concurrent.futures
import importlib.metadata
import itertools
import platform
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import jax

from identjax import processes
from identjax.errors import ConfigError
from identjax.store import Store
from identjax.sweep.engine.group_run import Context, GroupRun, Preempted
from identjax.sweep.engine.progress import Progress
from identjax.sweep.engine.slots import Slots, make_slots
from identjax.sweep.folder.ledger import Ledger, member_of
from identjax.sweep.folder.members_table import Roster
from identjax.sweep.folder.prune import prune
from identjax.sweep.folder.resume import compare_fields, compare_machines, takes_width
from identjax.sweep.plan.device_memory import check_room, finishing_saves, telling_of_memory
from identjax.sweep.plan.groups import FREE_SETTINGS, Group, Plan, RunSettings
from identjax.sweep.plan.probe import estimate_disk, estimate_run, tune
from identjax.training.member import KINDS, Member
from identjax.training.step import hyper_of
from identjax.version import VERSION

PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")


def run_sweep(
    plan: Plan, store: Store, facts: Mapping[str, Any], same_devices: bool = False
) -> dict[str, int]:
    """Bring every member of the plan to its end; `facts` go to sweep.json as they are.

    A folder that other devices or versions began is gone on with, unless `same_devices`.
    Gives the number of members by status. Whatever has ended before is not run again.
    """
    whole = describe(plan, facts)
    same = {name: value for name, value in whole.items() if name != "command"}
    processes.expect_same(same | {"local devices": jax.local_device_count()})
    with ExitStack() as held:
        with processes.together():
            refuse_other_shard(plan, store)
            held.enter_context(store.writing())
            compare_with_folder(plan, store)
            notice = compare_machines(store, whole, same_devices)
        should_stop = held.enter_context(_stop_signals())
        ledgers = {group.name: Ledger(store, group.name) for group in plan.groups}
        open_groups = [group for group in plan.groups if _is_open(group, ledgers[group.name])]
        processes.expect_same({"groups to run": [group.name for group in open_groups]})
        before = store.read_sweep()
        if open_groups or before is None or before.get("sweep") != plan.whole:
            store.write_sweep(whole)
        roster = Roster(plan, store)
        # A run may have been killed between its last snapshot and this table.
        roster.write(ledgers)
        if open_groups:
            _run_groups(plan, open_groups, store, ledgers, roster, should_stop, notice)
        if processes.is_first():
            prune(store, plan.settings)
        return count_members(plan, ledgers)


def count_members(plan: Plan, ledgers: Mapping[str, Ledger]) -> dict[str, int]:
    """Count the members of a plan by status."""
    counts: dict[str, int] = {}
    for group in plan.groups:
        for member in group.members:
            status = ledgers[group.name].outcome_of(member, {}).status
            counts[status] = counts.get(status, 0) + 1
    return counts


def _run_groups(
    plan: Plan,
    groups: list[Group],
    store: Store,
    ledgers: dict[str, Ledger],
    roster: Roster,
    should_stop: Callable[[], bool],
    notice: str,
) -> None:
    to_go = {g.name: sum(m.steps for m in g.members) for g in groups}
    progress = Progress(to_go, quiet=not processes.is_first())
    if notice:
        progress.warn(notice)
        store.log("resumed_elsewhere", reason=notice)

    def on_save(run: GroupRun) -> None:
        ledgers[run.group.name] = run.ledger
        roster.write(ledgers, run.steps_in_slots)

    context = Context(plan.settings, store, progress, should_stop, on_save)
    store.log("started", groups=[group.name for group in groups])
    # The next group is compiled while this one trains.
    compiler = concurrent.futures.ThreadPoolExecutor(1)
    try:
        ahead = [compiler.submit(prepare, group) for group in groups[:1]]
        for group, following in itertools.zip_longest(groups, groups[1:]):
            progress.begin(group.name, len(group.members), group.width * jax.device_count())
            slots = ahead.pop().result()
            if following:
                ahead.append(compiler.submit(prepare, following))
            _run_group(group, slots, context)
    except Preempted as preempted:
        store.log("preempted", reason=str(preempted))
        raise
    finally:
        progress.end()
        compiler.shutdown(wait=False, cancel_futures=True)


def prepare(group: Group) -> Slots:
    """Make and compile the slots of a group."""
    with group.precision.enabled():
        slots = make_slots(group.members[0], group.width)
        with telling_of_memory(group, slots):
            slots.compile(hyper_of(group.members[0]))
    check_room(group, slots)
    return slots


def _run_group(group: Group, slots: Slots, context: Context) -> None:
    began = time.monotonic()
    with group.precision.enabled(), telling_of_memory(group, slots):
        run = GroupRun(group, slots, context)
        with finishing_saves(run.checkpoints):
            run.run()
    context.progress.end()
    seconds, status = time.monotonic() - began, run.status()
    context.store.log(
        "group_done",
        group=group.name,
        member_steps=status.taken,
        seconds=round(seconds, 3),
        utilisation=round(status.utilisation, 4),
        utilisation_queued=round(status.utilisation_queued, 4),
        traces=slots.traces,
    )
    context.progress.say(
        f"{group.name}: {status.done} done, {status.diverged} diverged in {seconds:.1f} s; "
        f"{status.taken / seconds:,.0f} member-steps/s, {status.utilisation:.0%} of slots used "
        f"({status.utilisation_queued:.0%} while members waited)"
    )


def refuse_other_shard(plan: Plan, store: Store) -> None:
    """Refuse the folder of another shard; the whole sweep may extend that of a part."""
    before = store.read_sweep() or {}
    if before and plan.shard not in (None, before.get("shard")):
        allowed = f"{before.get('shard') or 'the whole sweep'} in workdir {store.workdir}"
        raise ConfigError("shard", plan.shard, f"{allowed}; each shard has a folder of its own")


def compare_with_folder(plan: Plan, store: Store) -> None:
    """Refuse a folder of another sweep, by field; a superset of its members extends it."""
    before, table = store.read_sweep(), store.read_members()
    if before is None or table is None:
        return
    for name, value in _settings(plan).items():
        was = before["settings"].get(name)
        if name == "width" and takes_width(plan.groups, value, store):
            continue
        if name not in FREE_SETTINGS and was != value:
            raise ConfigError(name, value, f"{was!r} in workdir {store.workdir} (or another one)")
    members = plan.members
    known = {member.member_id for member in members}
    for i, member_id in enumerate(table["member_id"].to_pylist()):
        if member_id not in known:
            compare_fields(store, table.column_names)
            _refuse(member_of(table.slice(i, 1).to_pylist()[0]), members, store)


def _refuse(missing: Member, members: list[Member], store: Store) -> None:
    """Name the fields in which the nearest member differs from one that the folder has."""

    def differences(member: Member) -> list[str]:
        mine, theirs = member.fields, missing.fields
        return [name for name in mine if mine[name] != theirs[name] and KINDS[name] != "tag"]

    nearest = min(members, key=lambda member: len(differences(member)))
    field = differences(nearest)[0]
    allowed = (
        f"{getattr(missing, field)!r} in workdir {store.workdir}, whose members must all stay "
        "(a sweep may be extended, not changed; use another workdir)"
    )
    raise ConfigError(field, getattr(nearest, field), allowed)


def describe(plan: Plan, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Make sweep.json: what is run, with what, on what."""
    device = jax.devices()[0]
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    versions |= {"identjax": VERSION, "python": platform.python_version()}
    return {
        **facts,
        "settings": _settings(plan),
        "sweep": plan.whole,
        "shard": plan.shard,
        "versions": versions,
        "device": {
            "platform": device.platform,
            "kind": device.device_kind,
            "count": jax.device_count(),
        },
        "groups": {
            group.name: {"members": len(group.members), "width": group.width}
            for group in plan.groups
        },
    }


def describe_plan(plan: Plan, tries: bool = False, tunes: bool = False) -> Iterator[str]:
    """Say in a line what each group costs, and after a short trial how long, or how wide."""
    for group in plan.groups:
        if group.members:
            yield describe_group(group, plan.settings)
            yield from tune(group) if tunes else [estimate_run(group)] if tries else ()


def describe_group(group: Group, settings: RunSettings) -> str:
    """Say in a line what a group costs, without compiling anything."""
    member = group.members[0]
    with group.precision.enabled():
        slots = make_slots(member, group.width)
        slot = slots.state_bytes(hyper_of(member))
        disk = estimate_disk(group, settings, slots)
    steps = sum(m.steps for m in group.members)
    return (
        f"{group.name}: {len(group.members)} members, width {group.width} on each of "
        f"{jax.device_count()} devices, {steps:,} member-steps at most, {member.batching} batches, "
        f"{slot / 2**20:.2f} MiB of state a slot, {group.width * slot / 2**20:.1f} MiB a device, "
        f"at most {disk / 2**20:.1f} MiB of disk"
    )


def _settings(plan: Plan) -> dict[str, Any]:
    return {k: list(v) if isinstance(v, tuple) else v for k, v in vars(plan.settings).items()}


def _is_open(group: Group, ledger: Ledger) -> bool:
    return any(member.member_id not in ledger.finished for member in group.members)


@contextmanager
def _stop_signals() -> Iterator[Callable[[], bool]]:
    """Turn the signals of schedulers into a flag, which is read between chunks."""
    seen: list[int] = []
    names = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
    before = {name: signal.signal(name, lambda number, _: seen.append(number)) for name in names}
    try:
        yield lambda: bool(seen)
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
