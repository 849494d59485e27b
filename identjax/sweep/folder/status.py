"""How the folders of a sweep stand, read from outside while others write them."""

import collections
import dataclasses
import fcntl
import pathlib
from typing import Any

from identjax.errors import ConfigError
from identjax.store import Store

# Of so many parts the speed is taken.
_LAST_PARTS = 20


@dataclasses.dataclass(frozen=True)
class FolderStatus:
    """One folder: members by status, who writes it, and how fast.

    `state` is done, alive (its lock is held), or lost: unfinished, and nobody is at work. `rate`
    is in member-steps a second over its last parts, 0.0 where there are too few to tell.
    """

    folder: pathlib.Path
    counts: dict[str, int]
    state: str
    rate: float
    to_go: int

    @property
    def seconds_left(self) -> float | None:
        """Give the time left at most, where the rate is known."""
        if not self.to_go:
            return 0.0
        return self.to_go / self.rate if self.rate and self.state == "alive" else None


def find_folders(workdir: str) -> list[Store]:
    """List the folders of a sweep: those of its shards, or the one there is."""
    whole = Store(workdir)
    shards = [Store(path.parent) for path in sorted(whole.workdir.glob("shards/*/sweep.json"))]
    found = [store for store in ([whole] if whole.read_sweep() else shards) if store.read_sweep()]
    if not found:
        raise ConfigError("workdir", workdir, "a folder in which a sweep or its shards were begun")
    return found


def read_status(store: Store) -> FolderStatus:
    """Read how a folder stands."""
    table = store.read_members(["member_id", "status", "steps", "budget", "check_every"])
    rows = [] if table is None else table.to_pylist()
    counts = dict(collections.Counter(row["status"] for row in rows))
    open_rows = [row for row in rows if row["status"] in ("pending", "training")]
    to_go = sum(row["budget"] - row["steps"] for row in open_rows)
    ended = table is not None and not open_rows
    state = "alive" if _is_held(store) else "done" if ended else "lost"
    return FolderStatus(store.workdir, counts, state, _rate(store, rows), to_go)


def find_member(workdir: str, member_id: str) -> Store:
    """Give the folder that has a member."""
    for store in find_folders(workdir):
        table = store.read_members(["member_id"])
        if table is not None and member_id in table["member_id"].to_pylist():
            return store
    raise ConfigError("member", member_id, f"a member of the sweep in {workdir}")


def _rate(store: Store, rows: list[dict[str, Any]]) -> float:
    """Divide the steps that the last parts tell of by the time between the first and last."""
    every = {row["member_id"]: row["check_every"] for row in rows}
    timed = sorted((path.stat().st_mtime, path) for _, path in store.parts("curves"))[-_LAST_PARTS:]
    if len(timed) < 2 or timed[-1][0] <= timed[0][0]:
        return 0.0
    taken = 0
    for _, path in timed[1:]:
        table = store.read_part(path, ["member_id", "metric"])
        losses = zip(table["member_id"].to_pylist(), table["metric"].to_pylist(), strict=True)
        taken += sum(every.get(member_id, 0) for member_id, metric in losses if metric == "loss")
    return float(taken / (timed[-1][0] - timed[0][0]))


def _is_held(store: Store) -> bool:
    path = store.workdir / "lock"
    if not path.exists():
        return False
    with path.open() as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
    return False
