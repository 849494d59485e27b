"""Snapshots whose parameters nobody needs: they give up their bytes, and their rows stay."""

from typing import Any

import pyarrow.compute as pc

from identjax.store import Store
from identjax.sweep.plan.groups import RunSettings

# What stands in a row for parameters that are gone.
NO_PARAMS: dict[str, Any] = {"digest": "", "params": b""}


def keeps(settings: RunSettings, rung: str) -> bool:
    """Tell whether a snapshot of this rung has its parameters."""
    return not settings.keep or rung in settings.keep


def prune(store: Store, settings: RunSettings) -> int:
    """Take the parameters out of snapshots that a run would not keep; give the bytes of them.

    Rows stay: they alone say when a rung was crossed and how a member ended.
    """
    freed = 0
    for _, path in store.parts("snapshots") if settings.keep else ():
        rungs = store.read_part(path, ["rung", "digest"]).to_pylist()
        if all(keeps(settings, row["rung"]) or not row["digest"] for row in rungs):
            continue
        table = store.read_part(path)
        rows = [
            row if keeps(settings, row["rung"]) else row | NO_PARAMS for row in table.to_pylist()
        ]
        pruned = type(table).from_pylist(rows, table.schema)
        freed += _bytes(table) - _bytes(pruned)
        store.rewrite_part(path, pruned)
    if freed:
        store.log("pruned", kept=list(settings.keep), bytes=freed)
    return freed


def _bytes(table: Any) -> int:
    found = pc.sum(pc.binary_length(table["params"])).as_py()
    return int(found or 0)
