"""The tables of an evaluation while they grow."""

import time
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from identjax.query import without
from identjax.store import Store


class EvalTables:
    """The tables of one results folder; they reach the disk every few seconds.

    A table is read when it is first asked for. A suffix means tables of an ablation.
    """

    def __init__(self, store: Store, schemas: Mapping[str, pa.Schema], suffix: str = "") -> None:
        self.schemas = schemas
        self._store, self._suffix = store, suffix
        self._tables: dict[str, pa.Table] = {}
        self._changed: set[str] = set()
        self._saved_at = time.monotonic()

    def __getitem__(self, name: str) -> pa.Table:
        if name not in self._tables:
            schema, found = self.schemas[name], self._store.read_eval(self._path(name))
            if found is None:
                found = schema.empty_table()
            self._tables[name] = found.select(schema.names).cast(schema)
        return self._tables[name]

    def replace(self, name: str, rows: pa.Table, **values: Any) -> None:
        """Put rows in the place of those that have these values."""
        kept = without(self[name], **values)
        if rows.num_rows or kept.num_rows < self[name].num_rows:
            self._tables[name] = pa.concat_tables([kept, rows])
            self._changed.add(name)

    def drop(self, name: str, **values: Any) -> None:
        """Take out the rows that have these values."""
        self.replace(name, self.schemas[name].empty_table(), **values)

    def save(self, every_seconds: float = 0.0) -> None:
        """Write what changed, unless it was saved within the last seconds."""
        if time.monotonic() - self._saved_at < every_seconds:
            return
        for name in sorted(self._changed):
            self._store.write_eval(self._path(name), self._tables[name])
        self._changed.clear()
        self._saved_at = time.monotonic()

    def _path(self, name: str) -> str:
        return f"ablations/{name}{self._suffix}" if self._suffix else name
