"""What is learnt when: rule rates and the mass of short strings at step snapshots."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from matplotlib.axes import Axes

from identjax.evaluation.measures.dynamics import LONGER, REGIONS
from identjax.query import distinct, floats, split_by, where
from identjax.report import style
from identjax.report.block import Block, Drawing, block
from identjax.report.format import count
from identjax.report.view import View
from identjax.rungs import is_step

Line = tuple[list[int], list[float]]
_RULES = ("R1", "R2c", "R2")


@block("dynamics", place=810)
def show(view: View) -> Block | None:
    """Draw what there is: rates of rules, and masses of short strings."""
    drawings = (_draw_rates(view), _draw_masses(view))
    found = tuple(drawing for drawing in drawings if drawing is not None)
    return Block("What is learnt when", figures=found, beside=2) if found else None


def _draw_rates(view: View) -> Drawing | None:
    """Draw the mean rate of each rule out of distribution over steps, cell by cell."""
    rows = _at_steps(where(view.reported("rules"), split="ood"))
    lines = _lines(rows, "rule", "rate")
    if not lines:
        return None
    rules = [rule for rule in _RULES if any(key[1] == rule for key in lines)]
    rules += sorted({key[1] for key in lines} - set(rules))
    dashes = dict(zip(rules, style.DASHES * len(rules), strict=False))
    looks = style.looks(view.source.cells)
    figure = style.new_figure(5.6, 3.6)
    axes = figure.subplots()
    for (cell, rule), (at, means) in lines.items():
        axes.plot(at, means, color=looks[cell].colour, ls=dashes[rule], lw=1.6)
    _dress(axes)
    axes.set_xlabel("training step")
    axes.set_ylabel("rate out of distribution")
    rules_named = {rule: {"color": style.INK, "ls": dashes[rule], "lw": 1.4} for rule in dashes}
    style.write_legend(figure, _name_cells(lines, looks) | rules_named, columns=4)
    members = count(len(distinct(rows, "member_id")), "member")
    caption = f"Means over members at each step snapshot; n = {members}."
    title = f"{view.language}: rule rates over training"
    return style.finish(figure, view.name("dynamics"), title, caption)


def _draw_masses(view: View) -> Drawing | None:
    """Draw the mean mass of short strings that keep both rules, one, or none, over steps."""
    rows = _at_steps(view.reported("dynamics"))
    lines = _lines(rows, "region", "mass")
    if not lines:
        return None
    regions = sorted(distinct(rows, "region"), key=[*REGIONS, LONGER].index)
    looks = style.looks(view.source.cells)
    figure = style.new_figure(5.6, 5.2)
    panels = figure.subplots(-(-len(regions) // 2), 2, sharex=True, sharey=True, squeeze=False)
    for axes in panels.ravel()[len(regions) :]:
        axes.remove()
    for axes, region in zip(panels.ravel(), regions, strict=False):
        for (cell, own), (at, means) in lines.items():
            if own == region:
                axes.plot(at, means, color=looks[cell].colour, ls=looks[cell].dash, lw=1.6)
        axes.set_title("longer strings" if region == LONGER else region)
        _dress(axes)
    figure.supxlabel("training step", fontsize=10)
    figure.supylabel("probability", fontsize=10)
    style.write_legend(figure, _name_cells(lines, looks))
    longest = max(rows["longest"].to_pylist())
    members = count(len(distinct(rows, "member_id")), "member")
    caption = (
        f"Summed probability of all strings of at most {longest} symbols by the rules they keep, "
        f"exact by enumeration; means over members, n = {members}."
    )
    title = f"{view.language}: mass of short strings"
    return style.finish(figure, view.name("masses"), title, caption)


def _at_steps(rows: pa.Table) -> pa.Table:
    return where(rows, rung=filter(is_step, distinct(rows, "rung")))


def _lines(rows: pa.Table, kind: str, value: str) -> dict[tuple[str, str], Line]:
    found = {key: _means(part, value) for key, part in split_by(rows, "cell", kind)}
    return {key: line for key, line in sorted(found.items()) if len(line[0]) > 1}


def _means(part: pa.Table, value: str) -> Line:
    at, means = [], []
    for (rung,), rows in split_by(part, "rung"):
        values = floats(rows, value)
        if not np.isnan(values).all():
            at.append(int(rung[1:]))
            means.append(float(np.nanmean(values)))
    order = np.argsort(at)
    return [at[i] for i in order], [means[i] for i in order]


def _dress(axes: Axes) -> None:
    style.make_log(axes, "x")
    axes.set_ylim(-0.03, 1.03)


def _name_cells(
    lines: Mapping[tuple[str, str], Line], looks: Mapping[str, style.Look]
) -> dict[str, dict[str, Any]]:
    cells = sorted({cell for cell, _ in lines})
    return {cell: {"color": looks[cell].colour, "lw": 2} for cell in cells}
