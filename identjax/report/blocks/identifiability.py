"""How far behaviour parts among members within ε of the truth, rung by rung, and in one number."""

import functools
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from matplotlib.axes import Axes

from identjax.evaluation.pair_tables import make_matrix, make_panel, members_of
from identjax.query import pairs_of, split_by, where
from identjax.report import style
from identjax.report.block import Block, Drawing, block
from identjax.report.format import interval, nats, span
from identjax.report.table import Row
from identjax.report.view import View
from identjax.rungs import epsilons
from identjax.schema import schema_of
from identjax.statistics.identifiability import Index, measure_index
from identjax.statistics.intervals import pair_interval

MEASURES = {
    "tv_next": "TV of the next-token law",
    "js_next": "JS of the next-token law, nats",
    "churn": "churn of greedy completions",
    "kl_next": "KL of the next-token law, nats",
    "profile": "difference of rule rates",
    "kl_seq": "KL, nats per sequence",
}
SHOWN = ("tv_next", "churn", "js_next")
_SPLITS = {"ood": ("out of distribution", 1), "id": ("in distribution", 0)}
CURVE = schema_of(
    **dict.fromkeys(("sweep", "language", "rung", "measure", "split", "scope"), str),
    **dict.fromkeys(("value", "low", "high"), float),
    **dict.fromkeys(("members", "pairs", "infinite"), int),
)
INDEX = schema_of(
    **dict.fromkeys(("sweep", "language"), str),
    **dict.fromkeys(("index", "low", "high", "slope_id", "slope_ood"), float),
    **dict.fromkeys(("residual", "residual_low", "residual_high"), float),
    members=int,
    rungs=str,
)


@block("identifiability", CURVE, place=200)
def show(view: View) -> Block:
    """Draw the divergences against ε."""
    rows, _ = measure_curve(view)
    shown = [row for row in rows if row["split"] in _SPLITS]
    own = {name: [row for row in shown if row["measure"] == name] for name in SHOWN}
    figures = tuple(_draw(view, part, name) for name, part in own.items() if part)
    title = "What the loss leaves open as ε shrinks" if figures else ""
    return Block(title, figures=figures, beside=3, rows=rows)


@block("index", INDEX, place=210)
def show_index(view: View) -> Block:
    """Say the identifiability index, where it is defined."""
    _, found = measure_curve(view)
    if found is None:
        return Block(rows=())
    row: Row = view.about | dict(zip(("index", "low", "high", "members"), found.index, strict=True))
    names = ("residual", "residual_low", "residual_high")
    row |= dict(zip(names, found.residual[:3], strict=True)) | {"rungs": " ".join(found.rungs)}
    row |= {"slope_id": found.slope_id, "slope_ood": found.slope_ood}
    return Block(sentences=(say_index(found),), rows=(row,))


# The index stands right after the curve.
@functools.lru_cache(maxsize=1)
def measure_curve(view: View) -> tuple[tuple[Row, ...], Index | None]:
    """Mean divergence over pairs at each ε, with 95% intervals, and the index where it is defined.

    A row has a measure, a split and a scope: all pairs, or those within one cell.
    """
    members = view.reported("members")
    ids, rungs = choose_members(view["pairwise"], members, view.rung)
    pairs = where(view["pairwise"], rung=rungs, member_a=ids, member_b=ids)
    cell_of = pairs_of(members, "member_id", "cell")
    cells = [cell_of[member] for member in ids]
    rows = []
    for rung in rungs:
        parts = split_by(where(pairs, rung=rung), "measure", "split")
        for (measure, split), part in sorted(parts, key=lambda item: item[0]):
            about = view.about | {"rung": rung, "measure": measure, "split": split}
            rows += [about | row for row in _summarise(part, ids, cells)]
    index = measure_index(make_panel(pairs, ids), cells) if ids else None
    defined = index is not None and np.isfinite(index.index.value)
    return tuple(rows), index if defined else None


def choose_members(
    pairs: pa.Table, members: pa.Table, rung: str | None
) -> tuple[list[str], list[str]]:
    """Choose the members that are followed, and how far: the same members at every ε.

    Cells that lost more than half of their members before ε = `rung` are left out. The curve ends
    at the smallest ε that at least half of the members of every other cell reached, so that it
    never shows a change of who is compared.
    """
    present = {rung: members_of(part) for (rung,), part in split_by(pairs, "rung")}
    rungs = epsilons(present)
    if not rungs:
        return [], []
    begun = [
        set(part["member_id"].to_pylist()) & present[rungs[0]]
        for _, part in split_by(members, "cell")
    ]

    def half_reached(rung: str, cells: Sequence[set[str]]) -> list[set[str]]:
        return [cell for cell in cells if 2 * len(cell & present[rung]) >= len(cell)]

    followed = half_reached(rung if rung in rungs else rungs[0], [cell for cell in begun if cell])
    kept = list(itertools.takewhile(lambda one: half_reached(one, followed) == followed, rungs))
    ids = set[str]().union(*followed).intersection(*(present[one] for one in kept))
    return sorted(ids), kept


def _summarise(pairs: pa.Table, ids: list[str], cells: list[str]) -> list[Row]:
    values = make_matrix(pairs, ids)
    measured = np.isfinite(values)
    np.fill_diagonal(measured, False)
    infinite = int(pc.sum(pc.is_inf(pairs["value"])).as_py() or 0)
    same = np.array(cells)[:, None] == np.array(cells)[None, :]
    rows = []
    for scope, kept in (("all", measured), ("within", measured & same)):
        if kept.any():
            found = pair_interval(np.where(kept, values, 0), kept, cells)
            pair_count = int((kept | kept.T).sum()) // 2
            row = {"scope": scope, "value": found.value, "low": found.low, "high": found.high}
            rows.append(row | {"members": len(ids), "pairs": pair_count, "infinite": infinite})
    return rows


def say_index(index: Index) -> str:
    """Put the index in words."""
    found, left = index.index, index.residual
    said = (
        f"Identifiability index {found.value:.2f} {interval(found.low, found.high)}".strip()
        + f" (n = {found.n} members): the slope of log divergence on log ε out of distribution "
        f"({index.slope_ood:.2f}) over that in distribution ({index.slope_id:.2f}). At 1 behaviour "
        "is settled by the loss everywhere alike; at 0 a smaller loss does nothing for it; below "
        "0 members part further. "
        f"At ε = {index.rungs[-1]} the divergence out of distribution is {nats(left.value)} "
        f"{interval(left.low, left.high)}".rstrip()
        + " of the largest that there can be."
    )
    return said.replace("-", "−")


def _draw(view: View, rows: Sequence[Row], measure: str) -> Drawing:
    """Draw one measure against ε: both splits, all pairs and pairs of one cell."""
    figure = style.new_figure(4.6, 3.3)
    axes = figure.subplots()
    for split, (label, look) in _SPLITS.items():
        for scope, dash, text in (("all", "-", label), ("within", "--", "")):
            part = [r for r in rows if (r["split"], r["scope"]) == (split, scope)]
            _draw_line(axes, part, look, dash, text)
    style.make_log(axes, "x")
    axes.set_xlabel("ε, nats per sequence (closer to the truth →)")
    axes.invert_xaxis()
    axes.set_ylim(bottom=0)
    axes.set_ylabel(MEASURES[measure])
    axes.plot([], [], color=style.INK, ls="--", lw=1, label="within one cell")
    figure.legend(loc="outside upper left", ncols=3, columnspacing=1.2, handlelength=1.6)
    everyone = [row for row in rows if row["scope"] == "all"]
    caption = (
        "Mean over pairs of the same members at each ε "
        f"(n = {span([r['members'] for r in everyone])} members, "
        f"{span([r['pairs'] for r in everyone])} pairs); bands are 95% intervals over seeds. "
        "Dashed: pairs of one cell alone, the floor set by the seeds."
    )
    if infinite := sum(row["infinite"] for row in everyone):
        caption += f" {infinite:,} infinite pairs are left out."
    title = f"{view.language}: {MEASURES[measure]} at equal ε"
    return style.finish(figure, view.name("curve", measure), title, caption)


def _draw_line(axes: Axes, rows: Sequence[Row], place: int, dash: str, label: str) -> None:
    if not rows:
        return
    colour = style.COLOURS[place]
    x = [float(row["rung"]) for row in rows]
    values = [row["value"] for row in rows]
    look: dict[str, Any] = {"color": colour, "ls": dash, "ms": 5, "label": label or None}
    look |= {"lw": 2, "marker": style.MARKERS[place]} if label else {"lw": 1.1, "marker": ""}
    axes.plot(x, values, **look)
    if label:
        low, high = [row["low"] for row in rows], [row["high"] for row in rows]
        axes.fill_between(x, low, high, color=colour, alpha=0.16, lw=0)
