"""What explains how members differ at equal ε: first of all that they do, then of one rate."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from identjax.query import where
from identjax.report import style
from identjax.report.block import Block, Drawing, block
from identjax.report.format import NOTHING, count, nats
from identjax.report.table import Column, Row, Table, whole
from identjax.report.view import View
from identjax.rungs import FINAL, epsilons, order, say
from identjax.schema import schema_of

SPLIT, MAIN, RESIDUAL = "ood", "js_next", "residual"
DIVERGENCES = {
    "js_next": "next symbol (Jensen–Shannon divergence)",
    "tv_next": "next symbol (squared total variation)",
    "churn": "greedy completion (squared churn)",
}
SCHEMA = schema_of(
    **dict.fromkeys(("sweep", "language", "rung", "split", "measure", "source"), str),
    df=int,
    **dict.fromkeys(("share", "low", "high", "p", "least_p"), float),
    members=int,
    note=str,
)


@block("attribution", SCHEMA, place=500)
def show(view: View) -> Block:
    """Say, draw and list the share of each source, of divergences first and of rates second."""
    found = view["attribution"]
    kept = [name for name in SCHEMA.names if name not in view.about]
    rows = [view.about | {name: row[name] for name in kept} for row in found.to_pylist()]
    rows = [{k: np.nan if v is None else v for k, v in row.items()} for row in rows]
    rows.sort(key=_place_of)
    here = [row for row in rows if row["split"] == SPLIT and row["rung"] == view.at]
    pairs = [row for name in DIVERGENCES for row in here if row["measure"] == name]
    rates = [row for row in here if row["measure"] not in DIVERGENCES]
    rates.sort(key=lambda row: row["measure"] == "finished")
    if not here:
        return Block("What explains it", (_say_why_not(view),), rows=tuple(rows))
    tables = [
        Table(tuple(own), _columns(), caption, heading=_head)
        for own, caption in ((pairs, _caption_pairs(view)), (rates, _caption_rates(view, rates)))
        if own
    ]
    drawn = [row for row in rows if row["split"] == SPLIT]
    figures = (_draw(view, drawn),) if len({row["rung"] for row in drawn}) > 1 else ()
    sentences = tuple(filter(None, (_conclude(view, pairs), _conclude(view, rates))))
    return Block("What explains it", sentences, figures, 1, tuple(tables), tuple(rows))


def _place_of(row: Row) -> tuple[Any, ...]:
    """Sort key: the widest ε first; of a measure choices, then seeds, then the residual."""
    names = str(row["source"]).split(":")
    kind = 2 if names == [RESIDUAL] else int(any(name.endswith("_seed") for name in names))
    return order(row["rung"]), row["split"], row["measure"], kind, len(names), row["source"]


def _say_why_not(view: View) -> str:
    """Say in a line why nothing is split."""
    members = where(view["members"], role="report").num_rows
    if not where(view["rules"], rung=view.at, split=SPLIT).num_rows:
        return f"Nothing was asked {_place(view)}: nothing can be explained."
    return (
        f"The {count(members, 'member')} reported on here do not differ in a choice that can be "
        "told from their seeds, or do not differ at all: no shares are given."
    )


def _conclude(view: View, rows: Sequence[Row]) -> str:
    """Say what the first measure of some rows is split into."""
    own = [row for row in rows if row["measure"] == rows[0]["measure"]]
    choices = [row for row in own if row["source"] != RESIDUAL]
    if not choices:
        return ""
    told = [f"{_name(row)}{_note(row)} {_percent(row)}{_chance(row)}" for row in choices]
    what = "members differ in the next symbol"
    if own[0]["measure"] not in DIVERGENCES:
        what = f"members differ in one number alone, {_describe(own[0])[0]},"
    return (
        f"How {what} {_place(view)} goes back to: {'; '.join(told)}. "
        f"What is left is {_percent(own[-1])}{_note(own[-1])}."
    )


def _chance(row: Row) -> str:
    """Say what a permutation test finds."""
    if np.isnan(row["p"]):
        return ""
    equal = "≤" if row["p"] <= row["least_p"] else "="
    return f", p {equal} {nats(row['p'])}"


def _note(row: Row) -> str:
    return f" ({_spell(row['note'])})" if row["note"] else ""


def _name(row: Row) -> str:
    return _spell(row["source"])


def _spell(source: str) -> str:
    return source.replace("_", " ").replace(":", " × ")


def _percent(row: Row) -> str:
    """Write a share with its interval; what is below 0 or above 1 is cut."""
    if np.isnan(row["share"]):
        return NOTHING
    said = f"{100 * min(max(row['share'], 0), 1):.0f}%"
    if row["low"] == row["low"]:
        said += f" [{100 * row['low']:.0f}, {100 * row['high']:.0f}]"
    return said


def _describe(row: Row) -> tuple[str, str]:
    """Name a measure, and what of it is split."""
    name = str(row["measure"])
    if name in DIVERGENCES:
        return DIVERGENCES[name], "squared distance between members"
    rate = "the rate of finished completions" if name == "finished" else ""
    return rate or f"the rate of {name.removeprefix('rate_')}", "variance between members"


def _head(row: Row) -> str:
    return f"{_describe(row)[0]}, n = {count(row['members'], 'member')}"


def _columns() -> tuple[Column, ...]:
    return (
        Column("source", _name, number=False),
        Column("share [95%]", _percent),
        Column("p", lambda row: _chance(row).removeprefix(", p ").removeprefix("= ") or NOTHING),
        Column("least p", lambda row: nats(row["least_p"])),
        whole("degrees of freedom", "df"),
        Column("note", lambda row: _note(row)[2:-1], number=False),
    )


def _caption_pairs(view: View) -> str:
    return (
        f"Shares of the mean squared distance between two members {_place(view)}, corrected for "
        "chance (ω²; estimates below 0 or above 1 are cut there). Every pair counts, so that a "
        "choice shows even where it leaves a mean rate as it is. a × b is what two choices do "
        "together beyond what each does. p: of all ways to exchange what the choice tells apart, "
        "with all else in place, the share that part members as far; no data could give less than "
        "the least p. An interval takes seeds as drawn anew; where there are too few of them, none "
        f"is given. Members are within ε and not at one KL: {_say_kl(view)}."
    )


def _caption_rates(view: View, rows: Sequence[Row]) -> str:
    return (
        f"Shares of the variance of one number per member {_place(view)}, likewise. Two choices "
        f"may give one rate by different completions: the table above sees that, this one does "
        f"not.{_say_prompts(view, rows)}"
    )


def _place(view: View) -> str:
    return f"out of distribution {_where(view)}"


def _where(view: View) -> str:
    return "where they stopped" if view.at == FINAL else f"at {say(view.at)}"


def _say_kl(view: View) -> str:
    kl = where(view.reported("likelihood"), rung=view.at)["kl_nats"].to_pylist()
    kl = [value for value in kl if value is not None]
    return f"it runs from {nats(min(kl))} to {nats(max(kl))} nats" if kl else "it is not known"


def _say_prompts(view: View, rows: Sequence[Row]) -> str:
    """Say how many prompts a rate is over, and how long a string may become."""
    rule = next((r["measure"] for r in rows if r["measure"] != "finished"), "").removeprefix(
        "rate_"
    )
    asked = where(view["rules"], rung=view.at, split=SPLIT, rule=rule)["prompts"].to_pylist()
    if not asked:
        return ""
    cap = max(view["members"]["max_length"].to_pylist())
    return f" Rates are over {count(max(asked), 'prompt')}; a string is cut off at {cap} symbols."


def _draw(view: View, rows: Sequence[Row]) -> Drawing:
    """Draw the share of each source against ε: of the divergence, and of the first rate."""
    measures = [name for name in (MAIN, "tv_next") if any(r["measure"] == name for r in rows)][:1]
    measures += sorted({r["measure"] for r in rows if r["measure"].startswith("rate_")})[:1]
    own = {name: [row for row in rows if row["measure"] == name] for name in measures}
    sources = list(dict.fromkeys(row["source"] for part in own.values() for row in part))
    looks = style.looks([name for name in sources if name != RESIDUAL])
    looks |= {RESIDUAL: style.Look(style.QUIET, "x", ":")} if RESIDUAL in sources else {}
    figure = style.new_figure(3.4 * len(measures) + 0.4, 3.2)
    panels = np.atleast_1d(figure.subplots(1, len(measures), sharey=True))
    for axes, part in zip(panels, own.values(), strict=True):
        _draw_measure(axes, part, looks)
        axes.set_title(_describe(part[0])[0].partition(" (")[0])
        axes.set_xlabel("ε, nats per sequence")
    figure.axes[0].set_ylabel("share of the variation, %")
    lines = {
        _name({"source": name}): {"color": look.colour, "ls": look.dash, "marker": look.marker}
        for name, look in looks.items()
    }
    style.write_legend(figure, lines)
    members = [row["members"] for row in rows]
    caption = (
        "Shares corrected for chance, out of distribution, with 95% intervals where there is one; "
        f"n = {min(members)} to {max(members)} members within each ε. Left, of the squared "
        "distance between members; right, of one rate."
    )
    title = f"{view.language}: what explains how members differ"
    return style.finish(figure, view.name("attribution"), title, caption)


def _draw_measure(axes: Axes, rows: Sequence[Row], looks: Mapping[str, style.Look]) -> None:
    rungs = epsilons(row["rung"] for row in rows)
    for place, (name, look) in enumerate(looks.items()):
        found = {row["rung"]: row for row in rows if row["source"] == name}
        own = [found[rung] for rung in rungs if rung in found]
        # A little apart, so that intervals do not hide each other.
        at = [float(row["rung"]) * 1.06**place for row in own]
        shares = [100 * min(max(row["share"], 0), 1) for row in own]
        axes.plot(at, shares, color=look.colour, marker=look.marker, ls=look.dash, ms=5, lw=1.6)
        ends = np.array([[row["low"], row["high"]] for row in own]).reshape(-1, 2)
        axes.vlines(at, *(100 * ends.T), color=look.colour, lw=1.2, alpha=0.6)
    style.make_log(axes, "x")
    axes.invert_xaxis()
    axes.set_ylim(-3, 103)
