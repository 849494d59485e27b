"""Folders to start from, as a sweep would have left them, without training anything."""

import pathlib
from typing import Any

import jax
import pyarrow as pa

from identjax.store import Store
from identjax.sweep.folder.ledger import SCHEMA, Standing, pack_params, snapshot_row
from identjax.sweep.folder.members_table import member_row
from identjax.sweep.plan.groups import Plan


def plant_source(workdir: pathlib.Path, plan: Plan, rung: str = "0.1", shift: int = 0) -> Store:
    """Write the members of a plan with a snapshot of what init_seed + shift draws."""
    store, done = Store(workdir), Standing("done", 10)
    store.write_sweep({"settings": {}, "groups": {}})
    store.write_members(pa.Table.from_pylist([member_row(m, done) for m in plan.members]))
    for group in plan.groups:
        model = group.members[0].build_model()
        seeds = jax.numpy.array([member.init_seed + shift for member in group.members])
        stack = jax.vmap(lambda seed, model=model: model.init(jax.random.key(seed)))(seeds)
        rows: list[dict[str, Any]] = []
        for i, member in enumerate(group.members):
            row = snapshot_row(member, rung, 10, (0.05, 0.0), None)
            rows.append(row | pack_params(stack, i))
        store.write_part("snapshots", group.name, 0, 1, pa.Table.from_pylist(rows, SCHEMA))
    return store
