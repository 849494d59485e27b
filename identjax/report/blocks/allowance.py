"""The key figure: what members do after a prompt, beside what their loss allows there."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from matplotlib.axes import Axes

from identjax.evaluation.measures.allowance import MEMBERS, PAIRS
from identjax.query import distinct, floats, where
from identjax.report import style
from identjax.report.block import Block, Drawing, block
from identjax.report.format import count, share, span
from identjax.report.table import Column, Row, Table, number, text, whole
from identjax.report.view import View
from identjax.rungs import epsilons, is_epsilon, order, say
from identjax.schema import schema_of

# What the bound on a pair says of a prompt: something below 1, nothing, or there is none.
BOUND, FREE, IMPOSSIBLE = "p(s) > 2ε", "p(s) ≤ 2ε", "p(s) = 0"
_TOLD = {
    BOUND: "probable enough for the loss to bound it",
    FREE: "too improbable for that",
    IMPOSSIBLE: "impossible",
}
MOST_RUNGS = 3
_NUMBERS = ("neg_log_p", "median", "largest", "envelope", "used")
SCHEMA = schema_of(
    **dict.fromkeys(("sweep", "language", "rung", "split", "kind", "context"), str),
    n=int,
    **dict.fromkeys(_NUMBERS, float),
)


@block("allowance", SCHEMA, place=60)
def show(view: View) -> Block | None:
    """Draw every context and impossible prompt, with the bound that follows from the loss."""
    found = view["allowance"]
    rungs = choose_rungs(distinct(found, "rung"), view.at)
    if not rungs:
        return None
    found = where(found, rung=rungs)
    summary = [row for rung in rungs for row in summarise(where(found, rung=rung, kind=PAIRS))]
    columns = (
        Column("at", lambda row: say(row["rung"]), number=False),
        text("prompts where", "where"),
        whole("prompts", "prompts"),
        number("typical TV", "typical", share),
        number("largest TV", "largest", share),
        whole("pairs", "n"),
    )
    caption = (
        "TV: total variation between two members' laws of the next token, 0 for one law and 1 for "
        "laws that have nothing in common. Typical: the median over prompts of the median over "
        "pairs. Largest: over all of them. Members within ε differ by at most √(2ε / p(s)), which "
        "is below 1 where p(s) > 2ε."
    )
    table = Table(tuple(summary), columns, caption)
    rows = tuple(
        view.about | {name: row[name] for name in SCHEMA.names[2:]} for row in found.to_pylist()
    )
    last = [row for row in summary if row["rung"] == rungs[-1]]
    headline = "" if where(found, split="ood").num_rows else _sum_up(last)
    return Block(
        "How much the loss allows",
        (_say(last),),
        (_draw(view, found, rungs),),
        tables=(table,),
        rows=rows,
        headline=headline,
    )


def choose_rungs(rungs: Sequence[str], at: str) -> list[str]:
    """Choose a few ε from the widest to that of the page; the page's own rung where it is none.

    >>> choose_rungs(["final", "1", "0.3", "0.1", "0.03", "0.01", "0.003"], "0.01")
    ['1', '0.1', '0.01']
    """
    if at not in rungs:
        return []
    upto = [rung for rung in epsilons(rungs) if order(rung) <= order(at)]
    if at not in upto:
        return [at]
    places = np.linspace(0, len(upto) - 1, min(MOST_RUNGS, len(upto))).round().astype(int)
    return [upto[place] for place in places]


def summarise(pairs: pa.Table) -> list[Row]:
    """Put the prompts of a rung in a row each: those where the loss binds, does not, and cannot."""
    possible = floats(pairs, "neg_log_p") < np.inf
    bound = possible & (floats(pairs, "envelope") < 1)
    parts = {BOUND: bound, FREE: possible & ~bound, IMPOSSIBLE: ~possible}
    rows = []
    for name, chosen in parts.items():
        if not chosen.any():
            continue
        part = pairs.filter(chosen)
        rows.append(
            {
                "rung": part["rung"][0].as_py(),
                "where": name,
                "prompts": part.num_rows,
                "typical": float(np.median(floats(part, "median"))),
                "largest": float(floats(part, "largest").max()),
                "n": part["n"][0].as_py(),
            }
        )
    return rows


def _say(rows: Sequence[Row]) -> str:
    """Say how far two members are apart, from the prompts that the loss settles to the others."""
    told = [
        f"by up to {share(row['largest'])} after {count(row['prompts'], 'prompt')} "
        f"{_TOLD[row['where']]} ({row['where']})"
        for row in rows
    ]
    rung = rows[0]["rung"]
    place = f"At {say(rung)}" if is_epsilon(rung) else "Where they stopped"
    return (
        f"{place}, two members ({count(rows[0]['n'], 'pair')}) differ in what they write next, in "
        f"total variation, {'; '.join(told)}."
    )


def _sum_up(rows: Sequence[Row]) -> str:
    """Say in half a sentence how much further members part where the loss does not look."""
    largest = {row["where"]: share(row["largest"]) for row in rows}
    if set(largest) != {BOUND, FREE}:
        return ""
    return (
        "two of them differ in what they write next by a total variation of up to "
        f"{largest[BOUND]} after prompts likelier than 2ε, and of up to {largest[FREE]} after "
        "rarer ones"
    )


def _draw(view: View, found: pa.Table, rungs: Sequence[str]) -> Drawing:
    figure = style.new_figure(5.8, 5.0)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(1, 1.1))
    looks = dict(zip(rungs, style.looks(rungs).values(), strict=True))
    finite = floats(found, "neg_log_p")
    end = float(finite[finite < np.inf].max())
    for place, rung in enumerate(rungs):
        # Marks of one prompt stand side by side, to the right, where more is allowed.
        here, aside = where(found, rung=rung), 0.012 * place * max(end, 1.0)
        _draw_kind(upper, where(here, kind=MEMBERS), looks[rung], aside)
        _draw_kind(lower, where(here, kind=PAIRS), looks[rung], aside)
    _limit(upper, where(found, kind=MEMBERS))
    lower.set_ylim(-0.03, 1.05)
    right = _draw_impossible(lower, where(found, split="ood"), looks, end)
    lower.set_xlim(-0.03 * right, right)
    _label_probabilities(lower, end)
    upper.set_ylabel("KL, truth to member, nats")
    lower.set_ylabel("TV, member to member")
    lower.set_xlabel("probability that a string begins with the prompt")
    named: dict[str, dict[str, Any]] = {
        say(rung): {"color": look.colour, "marker": look.marker, "ms": 4, "ls": "-", "lw": 1.2}
        for rung, look in looks.items()
    }
    style.write_legend(figure, named)
    title = f"{view.language}: divergence after a prompt against its probability"
    return style.finish(figure, view.name("allowance"), title, _caption(view, found, rungs))


def _draw_kind(axes: Axes, rows: pa.Table, look: style.Look, aside: float) -> None:
    """Draw the largest value after each context, and the bound."""
    x = floats(rows, "neg_log_p")
    known = x < np.inf
    x, largest, bound = (
        column[known] for column in (x, *(floats(rows, n) for n in ("largest", "envelope")))
    )
    by_x = np.argsort(x)
    axes.plot(x[by_x], bound[by_x], color=look.colour, lw=1.2)
    axes.plot(
        x + aside, largest, ls="", marker=look.marker, ms=3, mew=0, color=look.colour, alpha=0.55
    )


def _limit(axes: Axes, rows: pa.Table) -> None:
    values = floats(rows, "largest")
    shown = values[np.isfinite(values) & (values > 1e-9)]
    low, high = (float(shown.min()), float(shown.max())) if len(shown) else (1e-3, 1.0)
    bounds = floats(rows, "envelope")
    high = max(high, float(bounds[np.isfinite(bounds)].min(initial=high)))
    style.make_log(axes, "y")
    axes.set_ylim(max(low / 3, high * 1e-7), high * 4)


def _draw_impossible(axes: Axes, rows: pa.Table, looks: dict[str, style.Look], end: float) -> float:
    """Draw prompts of probability zero in a band at the right; give where the axis ends."""
    width = max(end, 1.0)
    if not rows.num_rows:
        return end + 0.06 * width
    first, last = end + 0.12 * width, end + 0.42 * width
    axes.axvspan(first - 0.04 * width, last + 0.04 * width, color=style.INK, alpha=0.07, lw=0)
    axes.text((first + last) / 2, 1.06, "impossible", ha="center", va="bottom", fontsize=9)
    for place, (rung, look) in enumerate(looks.items()):
        values = floats(where(rows, rung=rung), "largest")
        part = (last - first) / len(looks)
        x = first + part * (place + np.linspace(0.1, 0.9, len(values)))
        axes.plot(x, values, ls="", marker=look.marker, ms=2.2, mew=0, color=look.colour, alpha=0.5)
    return last + 0.04 * width


def _label_probabilities(axes: Axes, end: float) -> None:
    """Write probabilities where −log p is what is drawn."""
    decades = end / np.log(10)
    if decades < 2:
        shown = [p for p in (1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01) if -np.log(p) <= end + 0.1]
        labels = [format(p, "g") for p in shown]
    else:
        step = int(np.ceil(decades / 6))
        powers = range(0, int(decades) + 1, step)
        shown, labels = [10.0**-k for k in powers], [f"1e-{k}" if k else "1" for k in powers]
    axes.set_xticks([-np.log(p) for p in shown], labels)
    axes.minorticks_off()


def _caption(view: View, found: pa.Table, rungs: Sequence[str]) -> str:
    members = [row["n"] for row in where(found, kind=MEMBERS).to_pylist()]
    shown = len(distinct(where(found, split="id"), "context"))
    known = max(view["contexts"]["contexts"].to_pylist(), default=shown)
    whose = f"{shown:,}" if known <= shown else f"{shown:,} of {known:,}"
    text = (
        f"Each mark is a prompt s ({whose} that a string can begin with), at the largest value "
        f"over n = {span(members)} members or over their pairs; those of several ε stand side by "
        "side. Lines: the most that a KL of ε allows, ε / p(s) above and √(2ε / p(s)) below, "
        "at most 1."
    )
    impossible = distinct(where(found, split="ood"), "context")
    if impossible:
        text += (
            f" At the right, {count(len(impossible), 'prompt')} of probability 0, where the loss "
            "allows anything, and the truth has no law to be far from."
        )
    used = floats(where(found, kind=MEMBERS, rung=rungs[-1]), "used")
    if np.isfinite(used).any():
        text += (
            f" At {say(rungs[-1])}, no prompt takes more than {share(float(np.nanmax(used)))} of "
            "the KL of a member."
        )
    return text
