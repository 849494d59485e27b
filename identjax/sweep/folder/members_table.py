"""members.parquet: what every member of a sweep is, written once, and how it stands, often."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from identjax.store import Store
from identjax.sweep.folder.ledger import Ledger, Outcome, member_row
from identjax.sweep.plan.groups import Plan
from identjax.training.member import Member

_PENDING = Outcome("pending", 0, "")
# Rows are made so many at a time, because as Python objects they take ten times the room.
_BATCH = 4096


class Roster:
    """The table of a plan's members, of which only the last columns change."""

    def __init__(self, plan: Plan, store: Store) -> None:
        """Lay out the configurations, and read what the folder has."""
        self._groups, self._store = plan.groups, store
        self._table = tabulate(plan.members)
        self._written = store.read_members()

    def write(
        self, ledgers: Mapping[str, Ledger], in_slots: Mapping[str, int] | None = None
    ) -> None:
        """Write how every member stands, where that has changed."""
        slots = in_slots or {}
        found = [
            ledgers[group.name].outcome_of(member, slots)
            for group in self._groups
            for member in group.members
        ]
        table = _replace(self._table, "status", [outcome.status for outcome in found])
        table = _replace(table, "steps", [outcome.step for outcome in found])
        table = _replace(table, "cause", [outcome.cause for outcome in found])
        if self._written is None or not table.equals(self._written):
            self._store.write_members(table)
            self._written = table


def tabulate(members: Sequence[Member]) -> pa.Table:
    """Give the rows of some members of which none has begun; the columns are those of any."""
    parts = [members[i : i + _BATCH] for i in range(0, len(members), _BATCH)]
    return pa.concat_tables([_rows([Member()]).slice(1), *map(_rows, parts)])


def _rows(members: Iterable[Member]) -> pa.Table:
    return pa.Table.from_pylist([member_row(member, _PENDING) for member in members])


def _replace(table: pa.Table, name: str, values: list[Any]) -> pa.Table:
    at = table.schema.get_field_index(name)
    return table.set_column(at, name, pa.array(values, table.schema.field(at).type))
