"""Parts of tables: rows that match, groups of rows, columns as numbers."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Floats = npt.NDArray[np.float64]


def where(table: pa.Table, **wanted: Any) -> pa.Table:
    """Keep the rows in which each named column has the value, or one of several values."""
    return table.filter(_match(table, wanted))


def without(table: pa.Table, **wanted: Any) -> pa.Table:
    """Keep the rows that `where` drops."""
    return table.filter(pc.invert(_match(table, wanted)))


def _match(table: pa.Table, wanted: dict[str, Any]) -> pa.ChunkedArray:
    kept = pa.chunked_array([pa.repeat(True, table.num_rows)])
    for name, value in wanted.items():
        several = isinstance(value, Iterable) and not isinstance(value, str)
        options = pa.array(list(value) if several else [value], table.schema.field(name).type)
        kept = pc.and_(kept, pc.is_in(table[name], value_set=options))
    return kept


def distinct(table: pa.Table, column: str) -> list[Any]:
    """List the values of a column, sorted."""
    return sorted(set(table[column].to_pylist()))


def keys_of(table: pa.Table, *columns: str) -> set[tuple[Any, ...]]:
    """Give the distinct values of some columns."""
    found = table.select(columns).group_by(list(columns)).aggregate([])
    return set(zip(*(found[column].to_pylist() for column in columns), strict=True))


def pairs_of(table: pa.Table, key: str, value: str) -> dict[Any, Any]:
    """Give one column by another."""
    return dict(zip(table[key].to_pylist(), table[value].to_pylist(), strict=True))


def split_by(table: pa.Table, *keys: str) -> Iterator[tuple[tuple[Any, ...], pa.Table]]:
    """Go through the parts of a table that share the values of `keys`, in order of first row."""
    rows: dict[tuple[Any, ...], list[int]] = {}
    columns = [table[name].to_pylist() for name in keys]
    for row, key in enumerate(zip(*columns, strict=True)):
        rows.setdefault(key, []).append(row)
    for key, found in rows.items():
        yield key, table.take(found)


def floats(table: pa.Table, column: str) -> Floats:
    """Give a column of numbers, NaN where there is none."""
    return table[column].to_numpy(zero_copy_only=False).astype(np.float64)


def reported(table: pa.Table) -> pa.Table:
    """Keep the members that are reported on; those used to select something are left out."""
    kept = where(table, role="report")
    return kept if kept.num_rows else table


def settled(table: pa.Table) -> pa.Table:
    """Keep the rows of members that did not diverge, unless they speak of an earlier ε."""
    broke = pc.and_(pc.equal(table["rung"], "final"), pc.equal(table["status"], "diverged"))
    return table.filter(pc.invert(broke))


def main_rule(rules: Iterable[str]) -> str:
    """The rule of which headlines speak: R1 where there is one, else the first.

    >>> main_rule(["R2", "R1"]), main_rule(["even"])
    ('R1', 'even')
    """
    names = list(rules)
    return "R1" if "R1" in names or not names else names[0]
