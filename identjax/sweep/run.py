"""A whole sweep in its folder: begun, continued, extended, or found to be done."""

import collections
import concurrent.futures
import functools
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
from identjax.store import Store
from identjax.sweep.engine.device_memory import OUT_OF_MEMORY, prepare, telling_of_memory
from identjax.sweep.engine.group_run import Context, GroupRun, Preempted
from identjax.sweep.engine.progress import Progress
from identjax.sweep.engine.slots import Slots
from identjax.sweep.folder.ledger import Ledger, prune
from identjax.sweep.folder.members_table import Roster
from identjax.sweep.folder.resume import compare_machines, compare_with_folder, refuse_other_shard
from identjax.sweep.plan.groups import Group, Plan
from identjax.version import VERSION

PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")


def run_sweep(
    plan: Plan,
    store: Store,
    facts: Mapping[str, Any],
    same_devices: bool = False,
    prepare: Callable[[Group], Slots] = prepare,
) -> dict[str, int]:
    """Bring every member of the plan that has not ended to its end; count members by status.

    `facts` go to sweep.json as they are. A folder that other devices or versions began is gone on
    with, unless `same_devices`.
    """
    whole = describe(plan, facts)
    same = {name: value for name, value in whole.items() if name != "command"}
    processes.expect_same(same | {"local devices": jax.local_device_count()})
    with ExitStack() as held:
        with processes.together():
            refuse_other_shard(plan, store)
            held.enter_context(store.writing())
            compare_with_folder(plan, whole["settings"], store)
            notice = compare_machines(store, whole, same_devices)
        should_stop = held.enter_context(_stop_signals())
        ledgers = {group.name: Ledger(store, group.name) for group in plan.groups}
        open_groups = [group for group in plan.groups if _is_open(group, ledgers[group.name])]
        processes.expect_same({"groups to run": [group.name for group in open_groups]})
        _write_sweep(store, whole, bool(open_groups))
        roster = Roster(plan.members, store)
        # A run may have been killed between its last snapshot and this table.
        roster.write(ledgers, {})
        if open_groups:
            to_go = {g.name: sum(m.steps for m in g.members) for g in open_groups}
            progress = Progress(to_go, quiet=not processes.is_first())
            on_save = functools.partial(_keep_up, roster, ledgers)
            context = Context(plan.settings, store, progress, should_stop, on_save)
            _run_groups(open_groups, context, prepare, notice)
        if plan.settings.keep and processes.is_first():
            prune(store, plan.settings.keep)
        stands = (ledgers[member.group].standing_of(member, {}) for member in plan.members)
        return dict(collections.Counter(standing.status for standing in stands))


def _write_sweep(store: Store, whole: dict[str, Any], trains: bool) -> None:
    """Write sweep.json; where nothing is trained, it keeps on what members were."""
    before = store.read_sweep()
    if trains or before is None or before.get("sweep") != whole["sweep"]:
        store.write_sweep(whole)
    elif before["settings"] != whole["settings"]:
        store.write_sweep(before | {"settings": whole["settings"]})


def _keep_up(roster: Roster, ledgers: dict[str, Ledger], run: GroupRun) -> None:
    ledgers[run.group.name] = run.recorder.ledger
    roster.write(ledgers, run.steps_in_slots)


def _run_groups(
    groups: list[Group], context: Context, prepare: Callable[[Group], Slots], notice: str
) -> None:
    store, progress = context.store, context.progress
    if notice:
        progress.warn(notice)
        store.log("resumed_elsewhere", reason=notice)
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


def _run_group(group: Group, slots: Slots, context: Context) -> None:
    began = time.monotonic()
    with group.precision.enabled(), telling_of_memory(group, slots):
        run = GroupRun(group, slots, context)
        try:
            run.run()
        except jax.errors.JaxRuntimeError as error:
            if OUT_OF_MEMORY in str(error):
                run.checkpoints.finish()  # so that the folder can be taken up
            raise
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


def describe(plan: Plan, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Make sweep.json: what is run, with what, on what."""
    device = jax.devices()[0]
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    versions |= {"identjax": VERSION, "python": platform.python_version()}
    settings = {k: list(v) if isinstance(v, tuple) else v for k, v in vars(plan.settings).items()}
    return {
        **facts,
        "settings": settings,
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
