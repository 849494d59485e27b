"""What became of members, read from the snapshot parts: they are the only record of it."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
import pyarrow as pa

from identjax.checkpoint import digest_leaves
from identjax.rungs import FINAL
from identjax.schema import schema_of
from identjax.store import Store
from identjax.training.member import Member

SCHEMA = schema_of(
    member_id=str,
    group=str,
    rung=str,
    step=int,
    kl_nats=float,
    kl_stderr=float,
    status=str,
    cause=str,
    digest=str,
).append(pa.field("params", pa.large_binary()))
CURVES = schema_of(member_id=str, step=int, metric=str, value=float)
# What stands in a row for parameters that are gone.
NO_PARAMS: dict[str, Any] = {"digest": "", "params": b""}


@dataclasses.dataclass(frozen=True)
class Standing:
    """How a member stands, or how it stopped."""

    status: str = "pending"
    step: int = 0
    cause: str = ""


class Ledger:
    """Which rungs a group's members in training have crossed, and how the finished ones stopped."""

    def __init__(self, store: Store, group: str) -> None:
        self.crossed: dict[str, set[str]] = {}
        self.finished: dict[str, Standing] = {}
        self.diverged = 0
        self._endings: dict[Standing, Standing] = {}
        columns = ["member_id", "rung", "step", "status", "cause"]
        table = store.read_parts("snapshots", columns, group)
        for batch in table.to_batches() if table is not None else ():
            for row in batch.to_pylist():
                self.note(row)

    def note(self, row: dict[str, Any]) -> None:
        """Take down one snapshot."""
        member_id = row["member_id"]
        if member_id in self.finished:
            return
        if row["rung"] != FINAL:
            self.crossed.setdefault(member_id, set()).add(row["rung"])
            return
        # Few endings differ, so a million members share the objects of a few.
        ended = Standing(row["status"], row["step"], row["cause"])
        self.finished[member_id] = self._endings.setdefault(ended, ended)
        self.diverged += ended.status == "diverged"
        self.crossed.pop(member_id, None)

    def standing_of(self, member: Member, in_slots: Mapping[str, int]) -> Standing:
        """Say how a member stands; `in_slots` has the steps of those in training."""
        if ended := self.finished.get(member.member_id):
            return ended
        if member.member_id in in_slots:
            return Standing("training", in_slots[member.member_id])
        return Standing()


def snapshot_row(
    member: Member, rung: str, step: int, kl: tuple[float, float], ended: Standing | None
) -> dict[str, Any]:
    """Make a row of a snapshot part, its parameters still to come."""
    return {
        "member_id": member.member_id,
        "group": member.group,
        "rung": rung,
        "step": step,
        "kl_nats": kl[0],
        "kl_stderr": kl[1],
        "status": ended.status if ended else "training",
        "cause": ended.cause if ended else "",
    }


def prune(store: Store, kept: Sequence[str]) -> None:
    """Take the parameters out of snapshots of other rungs than these.

    Rows stay: they alone say when a rung was crossed and how a member ended.
    """
    freed = 0
    for _, path in store.parts("snapshots"):
        rungs = store.read_part(path, ["rung", "digest"]).to_pylist()
        if all(row["rung"] in kept or not row["digest"] for row in rungs):
            continue
        table = store.read_part(path)
        rows = table.to_pylist()
        for row in rows:
            if row["rung"] not in kept:
                freed += len(row["params"])
                row.update(NO_PARAMS)
        store.write_table(path, pa.Table.from_pylist(rows, table.schema))
    if freed:
        store.log("pruned", kept=list(kept), bytes=freed)


def pack_params(stacked: Any, slot: int) -> dict[str, Any]:
    """Give one slot's parameters as bytes in canonical order, with their digest."""
    leaves = [np.asarray(leaf)[slot] for leaf in jax.tree.leaves(stacked)]
    blob = b"".join(np.ascontiguousarray(leaf).tobytes() for leaf in leaves)
    return {"digest": digest_leaves(leaves), "params": blob}


def unpack_params(blob: bytes, digest: str, like: Any) -> Any:
    """Give the parameters in these bytes; raise ValueError where the digest does not hold."""
    shapes, treedef = jax.tree.flatten(like)
    sizes = [leaf.dtype.itemsize * leaf.size for leaf in shapes]
    if sum(sizes) != len(blob):
        raise ValueError(f"{len(blob)} bytes of parameters, {sum(sizes)} expected")
    ends = np.cumsum([0, *sizes])
    leaves = [
        np.frombuffer(blob[a:b], leaf.dtype).reshape(leaf.shape)
        for a, b, leaf in zip(ends, ends[1:], shapes, strict=False)
    ]
    if digest_leaves(leaves) != digest:
        raise ValueError("digest does not match the parameters")
    return jax.tree.unflatten(treedef, leaves)
