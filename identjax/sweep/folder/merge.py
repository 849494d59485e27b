"""Folders of one sweep joined into one: what has ended in any of them has ended in the whole."""

import collections
import contextlib
from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa
from flax.traverse_util import flatten_dict

from identjax.errors import ConfigError
from identjax.rungs import FINAL
from identjax.store import Store, StoreError
from identjax.sweep.folder.ledger import Ledger, Standing
from identjax.sweep.folder.members_table import read_members
from identjax.sweep.plan.groups import FREE_SETTINGS

# The parts that a merge writes stand before every chunk, so no resumed run deletes them.
BEFORE_ALL = 0
Digests = dict[str, str]


def merge(sources: Iterable[Store], target: Store) -> tuple[dict[str, int], list[str]]:
    """Bring the members that have ended in some source into the target, each once.

    Nothing is taken before everything was compared: sources of another sweep are refused by
    field, and so is a member with other parameters at the same rung in two folders. Gives the
    number of members by status, and what a reader should know.
    """
    with contextlib.ExitStack() as locks:
        stores, notes = _lock(sources, locks)
        before = target.read_sweep()
        pairs = [(store, _read(store)) for store in stores]
        pairs = [*([(target, before)] if before else []), *pairs]
        _compare(pairs)
        locks.enter_context(target.writing())
        _refuse_begun(target)
        taken = _choose([store for store, _ in pairs])
        tables = filter(None, (read_members(store) for store, _ in pairs))
        rows = {row["member_id"]: row for table in tables for row in table.to_pylist()}
        sizes = collections.Counter(row["group"] for row in rows.values())
        first = pairs[0][1]
        groups = {name: group | {"members": sizes[name]} for name, group in first["groups"].items()}
        target.write_sweep(first | {"groups": groups, "shard": None})
        for store in stores:
            for group in groups:
                _copy(store, target, group, taken[store.workdir])
        counts = _write_members(rows, target)
        notes += _notes(pairs, len(rows))
        target.log("merged", folders=[str(store.workdir) for store in stores], notes=notes)
    return counts, notes


def _lock(sources: Iterable[Store], locks: contextlib.ExitStack) -> tuple[list[Store], list[str]]:
    """Hold the folders that nobody writes, and name the others."""
    held, notes = [], []
    for store in sources:
        _read(store)
        try:
            locks.enter_context(store.writing())
        except StoreError as error:
            notes.append(f"left for a later merge: {error}")
        else:
            held.append(store)
    if not held:
        raise StoreError("; ".join(notes) or "no folder to merge")
    return held, notes


def _read(store: Store) -> dict[str, Any]:
    sweep = store.read_sweep()
    if sweep is None or store.read_members() is None:
        raise ConfigError("shards", str(store.workdir), "folders in which a sweep was started")
    return sweep


def _compare(pairs: list[tuple[Store, dict[str, Any]]]) -> None:
    """Refuse folders of different sweeps, by field."""
    (first, expected), *others = [(store, _fields(sweep)) for store, sweep in pairs]
    for store, fields in others:
        for name in sorted(expected.keys() | fields.keys()):
            if expected.get(name) != fields.get(name):
                allowed = f"{expected.get(name)!r} as in {first.workdir}: one sweep at a time"
                raise ConfigError(f"{store.workdir}: {name}", fields.get(name), allowed)


def _fields(sweep: Mapping[str, Any]) -> dict[str, Any]:
    """Flatten what must be the same in all shards of a sweep."""
    widths = {f"width of {name}": group["width"] for name, group in sweep["groups"].items()}
    whole = {f"sweep {name}": value for name, value in sweep.get("sweep", {}).items()}
    found = flatten_dict({**sweep.get("config", {}), **sweep["settings"]}, sep=".") | widths | whole
    return {name: value for name, value in found.items() if name not in FREE_SETTINGS}


def _refuse_begun(target: Store) -> None:
    table = target.read_members()
    if table is not None and "training" in table["status"].to_pylist():
        allowed = "a new folder, or one in which no member is in training"
        raise ConfigError("workdir", str(target.workdir), allowed)


def _choose(stores: list[Store]) -> dict[Any, set[str]]:
    """Give each ended member to the first folder that has it, after comparing all of them."""
    taken: dict[Any, set[str]] = {}
    seen: dict[str, tuple[Store, Digests]] = {}
    for store in stores:
        mine = taken.setdefault(store.workdir, set())
        for member_id, digests in _digests(store).items():
            first, expected = seen.setdefault(member_id, (store, digests))
            if first is store:
                mine.add(member_id)
            elif digests != expected:
                rungs = sorted(dict(digests.items() ^ expected.items()))
                allowed = f"the bits of {first.workdir} at {', '.join(rungs)}; nothing was merged"
                raise ConfigError(f"{store.workdir}: member", member_id, allowed)
    return taken


def _digests(store: Store) -> dict[str, Digests]:
    """Give the digests at each rung of the members that have ended."""
    found: dict[str, Digests] = {}
    table = store.read_parts("snapshots", ["member_id", "rung", "digest"])
    for row in table.to_pylist() if table is not None else ():
        found.setdefault(row["member_id"], {})[row["rung"]] = row["digest"]
    return {member: digests for member, digests in found.items() if FINAL in digests}


def _copy(source: Store, target: Store, group: str, members: set[str]) -> None:
    """Write a source's rows of some members as one part of each kind.

    Snapshots come last: until they stand no member has ended, and curves are written over.
    """
    if not members:
        return
    numbers = [path.name for at, path in target.parts("snapshots", group) if at == BEFORE_ALL]
    for kind in ("curves", "snapshots"):
        table = source.read_parts(kind, None, group, {"member_id": sorted(members)})
        if table is not None and table.num_rows:
            target.write_part(kind, group, len(numbers), BEFORE_ALL, table)


def _write_members(rows: Mapping[str, dict[str, Any]], target: Store) -> dict[str, int]:
    """Write members.parquet from what stands in the target, and count members by status."""
    ledgers = {name: Ledger(target, name) for name in {row["group"] for row in rows.values()}}
    counts: collections.Counter[str] = collections.Counter()
    for member_id, row in rows.items():
        ended = ledgers[row["group"]].finished.get(member_id, Standing())
        row |= {"status": ended.status, "steps": ended.step, "cause": ended.cause}
        counts[ended.status] += 1
    target.write_members(pa.Table.from_pylist(list(rows.values())))
    return dict(counts)


def _notes(pairs: list[tuple[Store, dict[str, Any]]], members: int) -> list[str]:
    """Say how much is missing, and where folders were made by other means."""
    notes, whole = [], pairs[0][1].get("sweep", {}).get("members", 0)
    if members < whole:
        notes.append(f"{members} of the sweep's {whole} members are in these folders")
    for name, kinds in (
        ("versions", {str(sweep["versions"]) for _, sweep in pairs}),
        ("devices", {sweep["device"]["kind"] for _, sweep in pairs}),
    ):
        if len(kinds) > 1:
            notes.append(f"{name} differ, so bits may too: {'; '.join(sorted(kinds))}")
    return notes
