"""The members within ε of the truth as one set: how far a choice among them could matter."""

from identjax.query import floats, split_by
from identjax.report.block import Block, block
from identjax.report.format import SPLITS, nats, share
from identjax.report.table import Column, Row, Table, number, text, whole
from identjax.report.view import View
from identjax.rungs import order
from identjax.schema import schema_of

MEASURES = ("ambiguity", "discrepancy", "capacity", "underspecification")
KEYS = ("rung", "split", "scope")
SCHEMA = schema_of(
    **dict.fromkeys(("sweep", "language", *KEYS), str),
    members=int,
    **dict.fromkeys(MEASURES, float),
)


@block("sets", SCHEMA, place=600)
def show(view: View) -> Block:
    """Lay the measures of each set side by side, at the rung where members are compared."""
    rows = sorted(tabulate(view), key=lambda row: (order(row["rung"]), row["split"]))
    here = tuple(row for row in rows if row["rung"] == view.at)
    if not here:
        return Block(rows=tuple(rows))
    caption = (
        "Ambiguity: share of prompts on which not all members complete alike. Discrepancy: share "
        "on which the one member that differs most completes otherwise than the one nearest to the "
        "truth. Capacity: nats that a next token can tell of its member, mean over prompts. "
        "Underspecification: standard deviation of R1 over members out of distribution over that "
        "in distribution (∞ where none differs there)."
    )
    columns = (
        Column("prompts", lambda row: str(SPLITS.get(row["split"], row["split"])), number=False),
        text("members of", "scope"),
        whole("n", "members"),
        *(number(name, name, share) for name in MEASURES[:2]),
        *(number(name, name, nats) for name in MEASURES[2:]),
    )
    table = Table(here, columns, caption)
    return Block("Members within ε as one set", tables=(table,), rows=tuple(rows))


def tabulate(view: View) -> list[Row]:
    """Put the measures of each set in one row."""
    rows = []
    for key, part in split_by(view["sets"], *KEYS):
        found = dict(zip(part["measure"].to_pylist(), floats(part, "value").tolist(), strict=True))
        row = view.about | dict(zip(KEYS, key, strict=True))
        row["members"] = max(part["members"].to_pylist())
        rows.append(row | {name: found.get(name) for name in MEASURES})
    return rows
