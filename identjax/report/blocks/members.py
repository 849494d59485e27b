"""What became of every member: counted, never dropped."""

from identjax.query import UNFINISHED, epsilons, split_by
from identjax.report.blocks.rules import CELL
from identjax.report.format import count, interval
from identjax.report.gather import Source
from identjax.report.table import Column, Row, Table, text, whole
from identjax.statistics.intervals import wilson_interval

STATUSES = ("done", "saturated", "diverged", "failed", "training", "pending")


def tabulate(sources: list[Source]) -> Table:
    """Count members by how they stand, and those that reached each ε."""
    rungs = epsilons(r for s in sources for r in s.likelihood["rung"].to_pylist())
    rows = [row for source in sources for row in _rows(source, rungs)]
    caption = (
        "Saturated: stopped by itself at the ε it was told to stop at; done: took all its steps; "
        "diverged: frozen at its last finite state. On the right, the members that have been "
        "evaluated at a snapshot within each ε (nats per sequence); at the smallest, in brackets, "
        "Wilson's 95% interval of the share of members that get there."
    )
    reached = tuple(f"reached_{rung}{end}" for rung in rungs for end in ("", "_low", "_high"))
    smallest = next((r for r in reversed(rungs) if any(row[f"reached_{r}"] for row in rows)), "")
    fields = ("sweep", *CELL, "members", "select")
    columns = (
        text("sweep", "sweep"),
        *(text(name, name) for name in CELL),
        whole("members", "members"),
        whole("used to select", "select"),
        *(whole(status, status) for status in STATUSES),
        *(_reached(rung, rung == smallest) for rung in rungs),
    )
    return Table(
        "members",
        "What became of the members",
        caption,
        (*fields, *STATUSES, *reached),
        columns,
        tuple(rows),
    )


def _reached(rung: str, smallest: bool) -> Column:
    label, field = f"ε ≤ {rung}", f"reached_{rung}"
    if not smallest:
        return whole(label, field)

    def write(row: Row) -> str:
        return f"{row[field]:,} {interval(row[f'{field}_low'], row[f'{field}_high'])}"

    return Column(f"{label} [95%]", write)


def _rows(source: Source, rungs: list[str]) -> list[Row]:
    pairs = zip(
        source.likelihood["member_id"].to_pylist(),
        source.likelihood["rung"].to_pylist(),
        strict=True,
    )
    evaluated = set(pairs)
    rows = []
    parts = split_by(source.members, *CELL)
    for key, part in sorted(parts, key=lambda item: item[0]):
        status, ids = part["status"].to_pylist(), part["member_id"].to_pylist()
        row: Row = {"sweep": source.name, "members": part.num_rows}
        row |= dict(zip(CELL, key, strict=True))
        row["select"] = part["role"].to_pylist().count("select")
        row |= {name: status.count(name) for name in STATUSES}
        for rung in rungs:
            field, reached = f"reached_{rung}", sum((member, rung) in evaluated for member in ids)
            found = wilson_interval(reached, len(ids))
            row |= {field: reached, f"{field}_low": found.low, f"{field}_high": found.high}
        rows.append(row)
    return rows


def warn(source: Source) -> list[str]:
    """Say what a reader must know first: what is unfinished, not evaluated, or broken."""
    status = source.members["status"].to_pylist()
    warnings = []
    open_members = {name: status.count(name) for name in UNFINISHED if status.count(name)}
    if open_members:
        told = " and ".join(
            f"{n:,} {'still in training' if name == 'training' else 'not begun'}"
            for name, n in open_members.items()
        )
        warnings.append(
            f"The sweep {source.name} is not finished: of {count(len(status), 'member')}, {told}. "
            "What stands below is what has been evaluated so far."
        )
    seen = set(source.likelihood["member_id"].to_pylist())
    seen |= set(source.rules["member_id"].to_pylist())
    ids = source.members["member_id"].to_pylist()
    ended = [m for m, s in zip(ids, status, strict=True) if s not in UNFINISHED]
    if missing := sum(member not in seen for member in ended):
        warnings.append(
            f"{count(missing, 'member')} of {source.name} ended without an evaluation: run "
            "launch.evaluate again."
        )
    if broke := status.count("diverged") + status.count("failed"):
        warnings.append(
            f"{count(broke, 'member')} of {source.name} diverged or failed; they are counted in "
            "the tables below, and are not in means at the place where members stopped."
        )
    return warnings
