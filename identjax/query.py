"""Parts of tables: rows that match, groups of rows, numbers of a column."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Floats = npt.NDArray[np.float64]
UNFINISHED = ("pending", "training")
FAILED = ("diverged", "failed")


def distinct(table: pa.Table, column: str) -> list[Any]:
    """List the values of a column, sorted."""
    return sorted(set(table[column].to_pylist()))


def where(table: pa.Table, **equal: Any) -> pa.Table:
    """Keep the rows in which each named column has the value, or one of a list of values."""
    for name, value in equal.items():
        values = value if isinstance(value, list | tuple) else [value]
        kept = pa.array(list(values), table.schema.field(name).type)
        table = table.filter(pc.is_in(table[name], value_set=kept))
    return table


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
    found: Floats = table[column].to_numpy(zero_copy_only=False).astype(np.float64)
    return found


def reported(table: pa.Table) -> pa.Table:
    """Keep the members that are reported on; those used to select something are left out."""
    kept = where(table, role="report")
    return kept if kept.num_rows else table


def settled(table: pa.Table) -> pa.Table:
    """Keep the rows of members that did not diverge or fail, unless they speak of an earlier ε."""
    broke = pc.and_(
        pc.equal(table["rung"], "final"),
        pc.is_in(table["status"], value_set=pa.array(FAILED)),
    )
    return table.filter(pc.invert(broke))


def rung_order(rung: str) -> tuple[int, float]:
    """Sort key of rungs: the widest ε first, then where members stopped, then steps."""
    if rung == "final":
        return 1, 0.0
    if rung.startswith("@"):
        return 2, float(rung[1:])
    return 0, -float(rung)


def epsilons(rungs: Iterable[str]) -> list[str]:
    """Those rungs that are an ε, the widest first."""
    return sorted({r for r in rungs if rung_order(r)[0] == 0}, key=rung_order)


def main_rule(rules: pa.Table) -> str:
    """The rule of which the headline speaks: R1 where a language has it, else the first."""
    names = distinct(rules, "rule")
    return "R1" if "R1" in names or not names else str(names[0])
