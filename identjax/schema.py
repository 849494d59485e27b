"""Columns with their types, and rows that must have them."""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from identjax.errors import ConfigError

_TYPES = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
# What tells truths apart: a language, as members were trained on it.
TRUTH: Mapping[str, type] = {"language": str, "max_length": int, "language_options": str}


def schema_of(**columns: type) -> pa.Schema:
    """Declare columns in order.

    >>> schema_of(member_id=str, rung=str, kl_nats=float).names
    ['member_id', 'rung', 'kl_nats']
    """
    return pa.schema([(name, _TYPES[kind]) for name, kind in columns.items()])


def make_table(name: str, schema: pa.Schema, columns: Mapping[str, Any]) -> pa.Table:
    """Make rows of columns; one value for all rows may be given as that value.

    What lacks a column, has another one, or holds what its type cannot is refused by column.
    """
    for column in [*schema.names, *columns]:
        if (column in schema.names) != (column in columns):
            has = "nothing" if column in schema.names else f"a column {column!r}"
            refuse(name, column, has, schema)
    many = [len(v) for v in columns.values() if not isinstance(v, str | int | float)]
    length = max(many, default=1)
    arrays = []
    for field in schema:
        values = columns[field.name]
        full = [values] * length if isinstance(values, str | int | float) else values
        try:
            arrays.append(pa.array(full, field.type, from_pandas=True))
        except (pa.ArrowInvalid, pa.ArrowTypeError, TypeError, ValueError):
            refuse(name, field.name, _describe(full), schema)
    if len({len(array) for array in arrays}) > 1:
        lengths = {f.name: len(a) for f, a in zip(schema, arrays, strict=True)}
        shortest = min(lengths, key=lambda column: lengths[column])
        refuse(name, shortest, f"{lengths[shortest]} of {length} rows", schema)
    return pa.Table.from_arrays(arrays, schema=schema)


def check_rows(name: str, schema: pa.Schema, rows: Sequence[Mapping[str, Any]]) -> None:
    """Refuse rows that are off a schema, by column; a row may lack what is not known of it."""
    for column in dict.fromkeys(column for row in rows for column in row):
        if column not in schema.names:
            refuse(name, column, f"a column {column!r}", schema)
    make_table(name, schema, {n: [row.get(n) for row in rows] for n in schema.names})


def refuse(name: str, column: str, has: str, schema: pa.Schema) -> None:
    """Say which column is off, what it has, and what was declared."""
    known = f"{column}: {schema.field(column).type}" if column in schema.names else ""
    declared = known or ", ".join(schema.names) or "no columns"
    raise ConfigError(f"{name}: column {column}", has, f"as declared ({declared})")


def _describe(values: Any) -> str:
    kinds = sorted({type(value).__name__ for value in values if value is not None})
    return f"values of type {' and '.join(kinds)}"
