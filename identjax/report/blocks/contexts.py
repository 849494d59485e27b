"""In distribution: what members do after every prefix that the truth can produce."""

from collections.abc import Sequence

import pyarrow as pa

from identjax.query import Floats, floats, settled, split_by
from identjax.report.block import Block, block
from identjax.report.format import nats, share
from identjax.report.table import Column, Row, Table, number, text, whole
from identjax.report.view import View
from identjax.rungs import is_step, order
from identjax.schema import schema_of

SCHEMA = schema_of(
    **dict.fromkeys(("sweep", "language", "cell", "rung"), str),
    **dict.fromkeys(("n", "contexts"), int),
    exact=bool,
    **dict.fromkeys(("judged", "perfect", "completed"), int),
    **dict.fromkeys(("kept", "possible", "followed", "leak", "kl", "js"), float),
)
# The worst member speaks for a cell: the least of these, and the largest of those.
_LEAST, _LARGEST = ("kept", "possible", "followed"), ("leak", "kl", "js")


@block("contexts", SCHEMA, place=310)
def show(view: View) -> Block | None:
    """Say of each cell how its worst member does on the prefixes that the truth can produce."""
    rows = sorted(tabulate(view), key=lambda row: (order(row["rung"]), row["cell"]))
    here = tuple(row for row in rows if row["rung"] == view.at)
    if not here:
        return Block(rows=tuple(rows)) if rows else None
    which = (
        f"All {here[0]['contexts']:,} prefixes that the truth can produce"
        if here[0]["exact"]
        else f"The {here[0]['contexts']:,} prefixes of drawn strings"
    )
    caption = (
        f"{which}, each weighed by how probable it is. Perfect: members whose greedy completion of "
        "every one of them is a string of the truth. The other columns are those of the worst "
        "member. Kept: share of prefixes that are completed so. Possible: share after which the "
        "likeliest token is one that the truth can write. Followed: probability that a string of "
        "the truth meets no prefix where it is not. Leak: probability that is given to impossible "
        "tokens, per sequence. KL and JS: to the truth, nats per sequence."
    )
    columns = (
        text("members of", "cell"),
        whole("n", "n"),
        Column("perfect", lambda row: f"{row['perfect']} of {row['judged']}", needed=_is_judged),
        number("kept", "kept", share, needed=_is_judged),
        number("possible", "possible", share),
        number("followed", "followed", share),
        *(
            number(name, field, nats)
            for name, field in (("leak", "leak"), ("KL", "kl"), ("JS", "js"))
        ),
    )
    table = Table(here, columns, caption)
    return Block("In distribution, after every prefix", tables=(table,), rows=tuple(rows))


def tabulate(view: View) -> list[Row]:
    """Put the members of a cell at a rung in one row."""
    rows = []
    for (cell, rung), part in split_by(settled(view.reported("contexts")), "cell", "rung"):
        if not is_step(rung):
            rows.append(view.about | {"cell": cell, "rung": rung} | _summarise(part))
    return rows


def _summarise(part: pa.Table) -> Row:
    kept = _known(part, "kept")
    first = part.slice(0, 1).to_pylist()[0]
    row: Row = {name: first[name] for name in ("contexts", "exact", "completed")}
    row |= {"n": part.num_rows, "judged": len(kept), "perfect": int((kept == 1).sum())}
    for names, worst in ((_LEAST, min), (_LARGEST, max)):
        for name in names:
            row[name] = float(worst(values)) if len(values := _known(part, name)) else None
    return row


def _known(part: pa.Table, column: str) -> Floats:
    values = floats(part, column)
    return values[~(values != values)]


def _is_judged(rows: Sequence[Row]) -> bool:
    return any(row["judged"] for row in rows)
