"""members.parquet: what every member of a sweep is, written once, and how it stands, often."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from identjax.errors import ConfigError
from identjax.store import Store
from identjax.sweep.folder.ledger import Ledger, Standing
from identjax.training.member import KINDS, Member
from identjax.version import VERSION

OPTIONS = ("model", "language_options")
# Rows are made so many at a time, because as Python objects they take ten times the room.
_BATCH = 4096


class Roster:
    """The table of the members of a sweep, of which only the last columns change."""

    def __init__(self, members: Sequence[Member], store: Store) -> None:
        self._members, self._store = members, store
        parts = [members[i : i + _BATCH] for i in range(0, len(members), _BATCH)]
        # The columns are there even where there is no member.
        self._table = pa.concat_tables([_tabulate([Member()]).slice(1), *map(_tabulate, parts)])
        self._written = store.read_members()

    def write(self, ledgers: Mapping[str, Ledger], in_slots: Mapping[str, int]) -> None:
        """Write how every member stands, where that has changed."""
        table = self._table
        found = [ledgers[member.group].standing_of(member, in_slots) for member in self._members]
        for name, field in (("status", "status"), ("steps", "step"), ("cause", "cause")):
            at, values = table.schema.get_field_index(name), [getattr(one, field) for one in found]
            table = table.set_column(at, name, pa.array(values, table.schema.field(at).type))
        if self._written is None or not table.equals(self._written):
            self._store.write_members(table)
            self._written = table


def member_row(member: Member, standing: Standing) -> dict[str, Any]:
    """Make a row of members.parquet: the configuration, and how the member stands.

    `steps` are those taken; those that it may take are its `budget`.
    """
    fields = member.fields
    options = {k: json.dumps(v, sort_keys=True) for k, v in fields.items() if k in OPTIONS}
    stands = {"status": standing.status, "steps": standing.step, "cause": standing.cause}
    ids = {"member_id": member.member_id, "group": member.group}
    return ids | fields | options | {"budget": member.steps} | stands


def member_of(row: Mapping[str, Any]) -> Member:
    """Make the member of a row of members.parquet again."""
    options = {name: json.loads(row[name]) for name in OPTIONS}
    return Member(**{name: row[name] for name in KINDS} | options | {"steps": row["budget"]})


def read_members(store: Store) -> pa.Table | None:
    """Give members.parquet of this version: a field that was not there yet has its default."""
    table, plain = store.read_members(), member_row(Member(), Standing())
    if table is None:
        return None
    if unknown := [name for name in table.column_names if name not in plain]:
        writer = (store.read_sweep() or {}).get("versions", {}).get("identjax", "another version")
        allowed = f"one of identjax {VERSION}, which does not know {unknown[0]!r} of {writer}"
        raise ConfigError("workdir", str(store.workdir), allowed)
    for name in plain.keys() - set(table.column_names):
        values = pa.array([plain[name]] * table.num_rows, pa.scalar(plain[name]).type)
        table = table.append_column(name, values)
    return table.select(list(plain))


def _tabulate(members: Iterable[Member]) -> pa.Table:
    return pa.Table.from_pylist([member_row(member, Standing()) for member in members])
