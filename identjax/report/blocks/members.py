"""What became of every member: counted, never dropped."""

from collections.abc import Sequence

from identjax.query import keys_of, split_by
from identjax.report.block import Block, block
from identjax.report.format import interval
from identjax.report.gather import CELL, Source
from identjax.report.table import Column, Row, Table, occurs, text, varies, whole
from identjax.report.view import View
from identjax.rungs import epsilons
from identjax.statistics.binomial import clopper_pearson
from identjax.statistics.intervals import make_interval

STATUSES = ("done", "saturated", "diverged", "training", "pending")


@block("members", place=900, of="page")
def show(views: Sequence[View]) -> Block:
    """Count members by how they stand, and those that reached each ε."""
    sources = list(dict.fromkeys(view.source for view in views))
    evaluated = [keys_of(s.tables["likelihood"], "member_id", "rung") for s in sources]
    rungs = epsilons(rung for own in evaluated for _, rung in own)
    rows = [
        row
        for source, own in zip(sources, evaluated, strict=True)
        for row in _count(source, own, rungs)
    ]
    caption = (
        "Saturated: stopped by itself at the ε it was told to stop at; done: took all its steps; "
        "diverged: frozen at its last finite state. On the right, the members that have been "
        "evaluated at a snapshot within each ε (nats per sequence); at the smallest, in brackets, "
        "Clopper and Pearson's 95% interval of the share of members that get there, from five on."
    )
    smallest = next((r for r in reversed(rungs) if any(row[f"reached_{r}"] for row in rows)), "")
    columns = (
        *(text(name, name, needed=varies(name)) for name in ("sweep", "language")),
        text(CELL[1], CELL[1]),
        *(text(name, name, needed=varies(name)) for name in CELL[2:]),
        whole("members", "members"),
        whole("used to select", "select", needed=occurs("select")),
        *(whole(status, status) for status in STATUSES[:3]),
        *(whole(status, status, needed=occurs(status)) for status in STATUSES[3:]),
        *(_reached(rung, rung == smallest) for rung in rungs),
    )
    table = Table(tuple(rows), columns, caption)
    return Block("What became of the members", tables=(table,), rows=tuple(rows))


def _reached(rung: str, smallest: bool) -> Column:
    label, field = f"ε ≤ {rung}", f"reached_{rung}"
    if not smallest:
        return whole(label, field)

    def write(row: Row) -> str:
        return f"{row[field]:,} {interval(row[f'{field}_low'], row[f'{field}_high'])}"

    return Column(f"{label} [95%]", write)


def _count(source: Source, evaluated: set[tuple[str, str]], rungs: Sequence[str]) -> list[Row]:
    rows = []
    parts = split_by(source.tables["members"], *CELL)
    for key, part in sorted(parts, key=lambda item: item[0]):
        status, ids = part["status"].to_pylist(), part["member_id"].to_pylist()
        row: Row = {"sweep": source.name, **dict(zip(CELL, key, strict=True))}
        row |= {"members": part.num_rows, "select": part["role"].to_pylist().count("select")}
        row |= {name: status.count(name) for name in STATUSES}
        for rung in rungs:
            field, reached = f"reached_{rung}", sum((member, rung) in evaluated for member in ids)
            low, high = clopper_pearson(reached, len(ids))
            found = make_interval(reached / len(ids), float(low), float(high), len(ids))
            row |= {field: reached, f"{field}_low": found.low, f"{field}_high": found.high}
        rows.append(row)
    return rows
