"""What explains behaviour at equal ε: shares of the variance of a rule rate between members."""

from identjax.report.gather import Source
from identjax.report.table import Column, Row, Table, text, whole
from identjax.statistics.variance import Share, decompose_rates

FIELDS: tuple[str, ...] = ("sweep", "language", "rung", "rule", "source", "share", "low", "high")
FIELDS += ("raw", "freedom", "members", "note")


def explain(source: Source, language: str, rung: str, rule: str) -> list[Row]:
    """Decompose the rate of a rule out of distribution."""
    found = decompose_rates(
        source.members.drop_columns(["cell"]),
        source.rules,
        source.likelihood,
        language,
        rung,
        rule=rule,
    )
    about = {"sweep": source.name, "language": language, "rung": rung, "rule": rule}
    return [about | _row(one) for one in found]


def _row(found: Share) -> Row:
    share = found.share
    row: Row = {"source": found.source, "share": share.value, "low": share.low, "high": share.high}
    more = {"raw": found.raw, "freedom": found.freedom, "note": found.note}
    return row | {"members": share.n} | more


def tabulate(rows: list[Row]) -> Table:
    """Lay the sources of variance under each other."""
    caption = (
        "Share of the variance between members, corrected for chance (ω²; below 0 where there is "
        "nothing), with a 95% interval over initialisation seeds. Each choice is judged given all "
        "others and the log of the KL to the truth at the snapshot."
    )
    columns = (
        text("source", "source"),
        Column("share [95%]", _percent),
        whole("parameters", "freedom"),
        text("note", "note"),
    )
    return Table("variance", "What explains it", caption, FIELDS, columns, tuple(rows))


def _percent(row: Row) -> str:
    text = f"{100 * row['share']:.0f}%"
    if row["low"] == row["low"]:
        text += f" [{100 * row['low']:.0f}%, {100 * row['high']:.0f}%]"
    return text.replace("-", "−")
