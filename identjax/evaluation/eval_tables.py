"""The tables of an evaluation: their columns, what makes a row unique, and how they grow."""

import time
from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from identjax.store import Store

Wanted = str | int | Iterable[str]

LIKELIHOOD = pa.schema(
    [
        ("member_id", pa.string()),
        ("rung", pa.string()),
        ("step", pa.int64()),
        ("kl_nats", pa.float64()),
        ("kl_stderr", pa.float64()),
    ]
)
_RATES = [
    ("rate", pa.float64()),
    ("rate_finished", pa.float64()),
    ("finished", pa.float64()),
    ("prompts", pa.int64()),
    ("unsatisfiable", pa.int64()),
]
RULES = pa.schema(
    [
        ("member_id", pa.string()),
        ("rung", pa.string()),
        ("split", pa.string()),
        ("rule", pa.string()),
        *_RATES,
    ]
)
COMPLETIONS = pa.schema(
    [
        ("member_id", pa.string()),
        ("rung", pa.string()),
        ("split", pa.string()),
        ("prompt", pa.string()),
        ("completion", pa.string()),
        ("finished", pa.bool_()),
    ]
)
PAIRWISE = pa.schema(
    [
        ("language", pa.string()),
        ("rung", pa.string()),
        ("split", pa.string()),
        ("measure", pa.string()),
        ("member_a", pa.string()),
        ("member_b", pa.string()),
        ("value", pa.float64()),
    ]
)
BASELINES = pa.schema(
    [
        ("language", pa.string()),
        ("max_length", pa.int64()),
        ("language_options", pa.string()),
        ("baseline", pa.string()),
        ("split", pa.string()),
        ("rule", pa.string()),
        *_RATES,
        ("reason", pa.string()),
    ]
)
SETS = pa.schema(
    [
        ("language", pa.string()),
        ("max_length", pa.int64()),
        ("language_options", pa.string()),
        ("rung", pa.string()),
        ("split", pa.string()),
        ("scope", pa.string()),
        ("measure", pa.string()),
        ("value", pa.float64()),
        ("members", pa.int64()),
    ]
)
DYNAMICS = pa.schema(
    [
        ("member_id", pa.string()),
        ("rung", pa.string()),
        ("step", pa.int64()),
        ("region", pa.string()),
        ("mass", pa.float64()),
        ("strings", pa.int64()),
        ("longest", pa.int64()),
    ]
)
_ASKED = [
    ("form", pa.string()),
    ("examples", pa.int64()),
    ("prompts", pa.int64()),
    ("accuracy", pa.float64()),
    ("tv", pa.float64()),
    ("answered", pa.float64()),
]
IN_CONTEXT = pa.schema([("member_id", pa.string()), ("rung", pa.string()), *_ASKED])
_TRUTH = [
    ("language", pa.string()),
    ("max_length", pa.int64()),
    ("language_options", pa.string()),
]
OBSERVERS = pa.schema([*_TRUTH, ("observer", pa.string()), *_ASKED])
SWAPS = pa.schema(
    [
        *_TRUTH,
        ("form", pa.string()),
        ("examples", pa.int64()),
        ("places", pa.int64()),
        ("log_mass", pa.float64()),
        ("kl_nats", pa.float64()),
        ("kl_stderr", pa.float64()),
        ("kl_forward", pa.float64()),
        ("floor", pa.float64()),
        ("bound", pa.float64()),
        ("agreement", pa.float64()),
        ("accuracy", pa.float64()),
        ("truth_accuracy", pa.float64()),
        ("prompts", pa.int64()),
    ]
)
ROLLOUTS = PAIRWISE.append(pa.field("stderr", pa.float64()))
SCHEMAS: Mapping[str, pa.Schema] = {
    "likelihood": LIKELIHOOD,
    "rules": RULES,
    "completions": COMPLETIONS,
    "pairwise": PAIRWISE,
    "baselines": BASELINES,
    "sets": SETS,
    "rollouts": ROLLOUTS,
    "dynamics": DYNAMICS,
    "in_context": IN_CONTEXT,
    "in_context_observers": OBSERVERS,
    "in_context_swaps": SWAPS,
}


def make_rows(name: str, columns: Mapping[str, Any]) -> pa.Table:
    """Make rows of a table; a column with one value for all rows may be given as that value."""
    schema = SCHEMAS[name]
    length = max(len(values) for values in columns.values() if not isinstance(values, str | int))
    full = {
        field: values if not isinstance(values, str | int) else [values] * length
        for field, values in columns.items()
    }
    arrays = [pa.array(full[field.name], field.type, from_pandas=True) for field in schema]
    return pa.Table.from_arrays(arrays, schema=schema)


def join_rows(name: str, tables: Iterable[pa.Table | None]) -> pa.Table:
    """Put tables of one kind under each other."""
    schema = SCHEMAS[name]
    present = [table.select(schema.names).cast(schema) for table in tables if table is not None]
    return pa.concat_tables([schema.empty_table(), *present]).combine_chunks()


def select_rows(table: pa.Table, **values: Wanted) -> pa.Table:
    """Keep the rows in which every named column has the value, or one of the values."""
    return table.filter(_match(table, values))


def drop_rows(table: pa.Table, **values: Wanted) -> pa.Table:
    """Keep the rows that `select_rows` drops."""
    return table.filter(pc.invert(_match(table, values)))


def _match(table: pa.Table, values: Mapping[str, Wanted]) -> pa.ChunkedArray:
    keep = pa.chunked_array([pa.repeat(True, table.num_rows)])
    for column, wanted in values.items():
        options = [wanted] if isinstance(wanted, str | int) else sorted(set(wanted))
        kind = table.schema.field(column).type
        found = pc.is_in(table[column], value_set=pa.array(options, kind))
        keep = pc.and_(keep, found)
    return keep


def keys_of(table: pa.Table | None, *columns: str) -> set[tuple[str, ...]]:
    """Give the distinct values of some columns."""
    if table is None:
        return set()
    distinct = table.select(columns).group_by(list(columns)).aggregate([])
    return set(zip(*(distinct[column].to_pylist() for column in columns), strict=True))


class EvalTables:
    """The tables of one results folder while they grow; they reach the disk every few seconds."""

    def __init__(self, store: Store, names: Iterable[str], suffix: str = "") -> None:
        """Read what stands; a suffix means tables of an ablation."""
        self._store, self._suffix = store, suffix
        self._tables = {n: join_rows(n, [store.read_eval(self._path(n))]) for n in names}
        self._changed: set[str] = set()
        self._saved_at = time.monotonic()

    def __contains__(self, name: str) -> bool:
        """Tell whether a table is among these."""
        return name in self._tables

    def __getitem__(self, name: str) -> pa.Table:
        """Give a table as it stands."""
        return self._tables[name]

    def add(self, name: str, rows: pa.Table) -> None:
        """Put rows under a table."""
        self._tables[name] = pa.concat_tables([self._tables[name], rows])
        self._changed.add(name)

    def drop(self, name: str, **values: Wanted) -> None:
        """Take out the rows that have these values."""
        self.replace(name, SCHEMAS[name].empty_table(), **values)

    def replace(self, name: str, rows: pa.Table, **values: Wanted) -> None:
        """Put rows in the place of those that have these values."""
        self._tables[name] = drop_rows(self._tables[name], **values)
        self.add(name, rows)

    def save(self, every_seconds: float = 0.0) -> None:
        """Write what changed, unless it was saved within the last seconds."""
        if time.monotonic() - self._saved_at < every_seconds:
            return
        for name in sorted(self._changed):
            self._store.write_eval(self._path(name), self._tables[name])
        self._changed.clear()
        self._saved_at = time.monotonic()

    def _path(self, name: str) -> str:
        ablation = self._suffix or name == "rollouts"
        return f"ablations/{name}{self._suffix}" if ablation else name
