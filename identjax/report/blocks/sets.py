"""The members within ε of the truth as one set: how far a choice among them could matter."""

from identjax.query import floats, rung_order, split_by
from identjax.report.blocks.rules import SPLITS
from identjax.report.format import nats, share
from identjax.report.gather import Source
from identjax.report.table import Column, Row, Table, number, text, whole

MEASURES = ("ambiguity", "discrepancy", "capacity", "underspecification")
FIELDS = ("sweep", "language", "rung", "split", "scope", "members", *MEASURES)


def tabulate(sources: list[Source]) -> Table:
    """Lay the measures of each set side by side."""
    rows = [row for source in sources for row in _rows(source)]
    rows.sort(key=lambda r: (r["sweep"], r["language"], rung_order(r["rung"]), r["split"]))
    caption = (
        "Ambiguity: share of prompts on which not all members complete alike. Discrepancy: share "
        "on which the one member that differs most completes otherwise than the one nearest to the "
        "truth. Capacity: nats that a next token can tell of its member, mean over prompts. "
        "Underspecification: standard deviation of R1 over members out of distribution over that "
        "in distribution (∞ where none differs there)."
    )
    return Table("sets", "Members within ε as one set", caption, FIELDS, _COLUMNS, tuple(rows))


def _rows(source: Source) -> list[Row]:
    rows = []
    for key, part in split_by(source.sets, "language", "rung", "split", "scope"):
        found = dict(zip(part["measure"].to_pylist(), floats(part, "value").tolist(), strict=True))
        row: Row = {"sweep": source.name, "members": max(part["members"].to_pylist())}
        row |= dict(zip(("language", "rung", "split", "scope"), key, strict=True))
        rows.append(row | {name: found.get(name) for name in MEASURES})
    return rows


_COLUMNS = (
    Column("prompts", lambda row: str(SPLITS.get(row["split"], row["split"])), number=False),
    text("members of", "scope"),
    whole("n", "members"),
    number("ambiguity", "ambiguity", share),
    number("discrepancy", "discrepancy", share),
    number("capacity", "capacity", nats),
    number("underspecification", "underspecification", nats),
)
