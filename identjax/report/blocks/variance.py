"""What explains behaviour at equal ε: shares of the variance of a rule rate between members."""

from collections.abc import Sequence

import numpy as np

from identjax.evaluation.cells import CHOICES
from identjax.query import pairs_of, where
from identjax.report import style
from identjax.report.block import Block, Drawing, block
from identjax.report.format import count
from identjax.report.gather import SEEDS
from identjax.report.table import Column, Row, Table, text, whole
from identjax.report.view import View
from identjax.schema import schema_of
from identjax.statistics.variance import decompose_variance

# Columns of members that are no choice of the experimenter.
NOT_FACTORS = {*SEEDS, "member_id", "group", "language", "role", "status", "steps", "cause", "cell"}
NOT_FACTORS |= {"start_digest", "start_member"}
FEWEST_MEMBERS = 8
SCHEMA = schema_of(
    **dict.fromkeys(("sweep", "language", "rung", "rule", "source"), str),
    **dict.fromkeys(("share", "low", "high", "raw"), float),
    freedom=int,
    members=int,
    note=str,
)


@block("variance", SCHEMA, place=500)
def show(view: View) -> Block:
    """Draw and list the shares of each source, where the rate differs between enough members."""
    rows = explain(view)
    if not rows:
        return Block(rows=())
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
    table = Table(tuple(rows), columns, caption)
    return Block("What explains it", figures=(_draw(view, rows),), tables=(table,))


def explain(view: View) -> list[Row]:
    """Decompose the rate of the headline's rule out of distribution; nothing if it can't vary.

    The factors are all fields of the config that vary, those that name cells first; the
    covariate is the KL to the truth at the snapshot.
    """
    rule, rung = view.finding.rule, view.at
    rates = where(view["rules"], rung=rung, split="ood", rule=rule)
    rate_of = pairs_of(rates, "member_id", "rate")
    kl_of = pairs_of(where(view["likelihood"], rung=rung), "member_id", "kl_nats")
    members = where(view["members"], role="report")
    rows = [
        row
        for row in members.to_pylist()
        if rate_of.get(row["member_id"]) is not None
        and np.isfinite(kl_of.get(row["member_id"], np.inf))
    ]
    values = [rate_of[row["member_id"]] for row in rows]
    if len(rows) < FEWEST_MEMBERS or np.ptp(values) == 0:
        return []
    factors = [*CHOICES, *sorted({*members.column_names} - NOT_FACTORS - {*CHOICES})]
    kl = [kl_of[row["member_id"]] for row in rows]
    about = view.about | {"rung": rung, "rule": rule, "members": len(rows)}
    return [
        about
        | {"source": one.source, "raw": one.raw, "freedom": one.freedom, "note": one.note}
        | dict(zip(("share", "low", "high"), one.share, strict=False))
        for one in decompose_variance(values, rows, factors, SEEDS, kl)
    ]


def _percent(row: Row) -> str:
    said = f"{100 * row['share']:.0f}%"
    if row["low"] == row["low"]:
        said += f" [{100 * row['low']:.0f}%, {100 * row['high']:.0f}%]"
    return said.replace("-", "−")


def _draw(view: View, rows: Sequence[Row]) -> Drawing:
    """Draw one line per source of variance, the residual last."""
    figure = style.new_figure(5.6, 0.9 + 0.34 * len(rows))
    axes = figure.subplots()
    places = np.arange(len(rows))[::-1]
    for place, row in zip(places, rows, strict=True):
        if row["low"] == row["low"]:
            axes.plot([row["low"], row["high"]], [place, place], color=style.COLOURS[0], lw=2)
    shares = [row["share"] for row in rows]
    axes.plot(shares, places, ls="", marker="o", ms=7, color=style.COLOURS[0], mec=style.INK)
    axes.axvline(0, color=style.INK, lw=0.8)
    axes.set_yticks(places, [str(row["source"]).replace("_", " ") for row in rows])
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.set_xlabel(f"share of the variance of {rows[0]['rule']} out of distribution")
    axes.grid(visible=False, axis="y")
    caption = (
        f"Corrected for chance, with 95% intervals; n = {count(rows[0]['members'], 'member')} at "
        f"ε = {rows[0]['rung']}. What no choice explains is in the residual."
    )
    title = f"{view.language}: what explains {rows[0]['rule']}"
    return style.finish(figure, view.name("variance"), title, caption)
