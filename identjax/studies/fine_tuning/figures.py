"""What training makes of one function: curves by α, the loss after the same steps, and rules."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from identjax.report import style
from identjax.report.format import count
from identjax.report.gather import Source
from identjax.report.table import Row
from identjax.studies.fine_tuning.rate_choice import is_plain
from identjax.studies.fine_tuning.show import Tuning

# Where a member that diverged is drawn: above everything.
_ABOVE = 1.06
# Beside each other these have no room as decimals.
_FRACTIONS = {0.25: "¼", 0.5: "½"}
NAMES = {
    "rescale": "feed-forward nets",
    "query_key": "queries and keys",
    "value_output": "values and outputs",
    "all": "all three",
    "permute": "permuted units",
}


def draw(source: Source, language: str, tuning: Tuning) -> list[style.Drawing]:
    """Draw curves for each optimizer, then the loss and the rule rates by α."""
    about = source, language, tuning
    curves = [draw_curves(*about, optimizer) for optimizer in tuning.optimizers]
    return [*curves, draw_losses(*about), draw_rates(*about)]


def _panels(tuning: Tuning) -> tuple[Figure, dict[str, Axes]]:
    """Make a panel for each change that was made by several α."""
    alphas: dict[str, set[float]] = {}
    for row in tuning.rows:
        alphas.setdefault(row["change"], set()).add(row["alpha"])
    changes = [name for name in NAMES if len(alphas.get(name, ())) > 1] or list(alphas)[:1]
    columns = min(len(changes), 2)
    rows = -(-len(changes) // columns)
    figure = style.new_figure(3.4 * columns + 1.2 * (columns == 1), 2.6 * rows + 1.2)
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    panels = dict(zip(changes, grid.flat, strict=False))
    for axes in list(grid.flat)[len(changes) :]:
        axes.remove()
    for change, axes in panels.items():
        if len(panels) > 1:
            axes.set_title(NAMES.get(change, change))
    return figure, panels


def _of(rows: Sequence[Row], change: str) -> list[Row]:
    """Give the rows of a change by α, with unchanged starts where it was not made at α = 1."""
    own = [row for row in rows if row["change"] == change]
    if all(row["alpha"] != 1 for row in own):
        own += filter(is_plain, rows)
    return sorted(own, key=lambda row: float(row["alpha"]))


def draw_curves(source: Source, language: str, tuning: Tuning, optimizer: str) -> style.Drawing:
    """Draw the mean KL to the truth over steps: colours are α, dashes the controls."""
    own = [row for row in tuning.curves if row["optimizer"] == optimizer]
    figure, panels = _panels(tuning)
    scales = _ticks(tuning, panels)[0]
    dashes = dict(zip(_controls(tuning, panels), ("--", ":", "-."), strict=False))
    for change, axes in panels.items():
        for place, alpha in enumerate(scales):
            again, colour = divmod(place, len(style.COLOURS))
            look: dict[str, Any] = {
                "color": style.COLOURS[colour],
                "ls": style.DASHES[again],
            }
            rows = [row for row in _of(own, change) if row["alpha"] == alpha]
            _draw_line(axes, rows, f"α = {alpha:g}", lw=1.8, **look)
        for control, dash in dashes.items():
            rows = [row for row in own if row["change"] == control]
            look = {"color": style.INK, "ls": dash, "zorder": 3}
            _draw_line(axes, rows, NAMES.get(control, control), lw=1.0, **look)
        style.make_log(axes, "y")
    rate = f", learning rate {own[0]['learning_rate']:g}" if own else ""
    figure.supxlabel(f"fine-tuning step of {optimizer}{rate}", fontsize="medium")
    figure.supylabel("KL to the truth, nats per sequence", fontsize="medium")
    _write_legend(figure, panels, 4)
    most = max((row["members"] for row in own), default=0)
    caption = (
        f"Means over members that did not diverge, at most {most} a line; all lines begin as the "
        "same functions. Black: controls at α = 1, under its line where they change nothing."
    )
    name = style.slug("tuning", *source.prefix, language, optimizer)
    return style.finish(figure, name, f"{language}: fine-tuning by {optimizer}", caption)


def _controls(tuning: Tuning, panels: Mapping[str, Axes]) -> list[str]:
    """List the changes at α = 1 alone; an unchanged start is the first line itself."""
    return sorted({row["change"] for row in tuning.rows} - {"none", *panels})


def _draw_line(axes: Axes, rows: Sequence[Row], label: str, **look: Any) -> None:
    if rows:
        axes.plot([r["step"] for r in rows], [r["kl_nats"] for r in rows], label=label, **look)


def _write_legend(figure: Figure, panels: Mapping[str, Axes], columns: int) -> None:
    """Name each series once, whichever panels have it."""
    named: dict[str, Any] = {}
    for axes in panels.values():
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            named.setdefault(label, handle)
    figure.legend(
        list(named.values()),
        list(named),
        loc="outside upper left",
        ncols=columns,
        columnspacing=1.2,
        handlelength=1.6,
    )


def draw_losses(source: Source, language: str, tuning: Tuning) -> style.Drawing:
    """Draw each member's loss over that of the same start unchanged, by α."""
    figure, panels = _panels(tuning)
    finite = [row["ratio"] for row in tuning.members if math.isfinite(row["ratio"])]
    top = max([*finite, 2.0]) * 1.5
    for change, axes in panels.items():
        axes.axhline(1, color=style.INK, lw=0.8, ls=(0, (1, 2)))
        for place, (optimizer, look) in enumerate(style.looks(tuning.optimizers).items()):
            rows = [row for row in _of(tuning.members, change) if row["optimizer"] == optimizer]
            shift = 1.06 ** (place - (len(tuning.optimizers) - 1) / 2)
            x = np.array([row["alpha"] for row in rows]) * shift
            y = np.array([row["ratio"] for row in rows])
            ended = np.isfinite(y)
            broke = np.array([row["broke"] for row in rows], bool)
            marks: dict[str, Any] = {"color": look.colour, "ls": "", "ms": 5, "alpha": 0.75}
            axes.plot(x[ended], y[ended], marker=look.marker, label=optimizer, **marks)
            axes.plot(x[broke], np.full(broke.sum(), top), marker="x", **marks)
        style.make_log(axes, "x")
        style.make_log(axes, "y")
        axes.yaxis.set_major_locator(LogLocator(10, subs=(1, 2, 5)))
        axes.set_ylim(min([*finite, 0.5]) / 1.5, top * 1.3)
        axes.set_xticks(*_ticks(tuning, panels))
    figure.supxlabel("α", fontsize="medium")
    figure.supylabel("loss over that of the unchanged start", fontsize="medium")
    _write_legend(figure, panels, 3)
    steps = {row["optimizer"]: row["step"] for row in tuning.members}
    taken = ", ".join(f"{count(step, 'step')} of {name}" for name, step in sorted(steps.items()))
    broke_all = sum(row["broke"] for row in tuning.members)
    caption = (
        f"Loss in nats per sequence after {taken}, over that of the same start "
        f"unchanged; each mark is a member. Crosses at the top: diverged ({broke_all:,} of "
        f"{len(tuning.members):,}, controls included)."
    )
    name = style.slug("tuning-loss", *source.prefix, language)
    return style.finish(figure, name, f"{language}: loss after the same steps by α", caption)


def draw_rates(source: Source, language: str, tuning: Tuning) -> style.Drawing:
    """Draw the mean rate of the rule after fine-tuning by α, in and out of distribution."""
    figure, panels = _panels(tuning)
    for change, axes in panels.items():
        for optimizer, look in style.looks(tuning.optimizers).items():
            rows = [row for row in _of(tuning.rows, change) if row["optimizer"] == optimizer]
            for split, dash, words in (("id", "--", "in"), ("ood", "-", "out of")):
                known = [row for row in rows if row[f"rate_{split}"] is not None]
                axes.plot(
                    [row["alpha"] for row in known],
                    [row[f"rate_{split}"] for row in known],
                    color=look.colour,
                    marker=look.marker,
                    ls=dash,
                    ms=5,
                    label=f"{optimizer}, {words} distribution",
                )
        style.make_log(axes, "x")
        axes.set_xticks(*_ticks(tuning, panels))
        axes.set_ylim(-0.03, _ABOVE)
    figure.supxlabel("α", fontsize="medium")
    figure.supylabel(f"rate of {tuning.members[0]['rule']} after fine-tuning", fontsize="medium")
    _write_legend(figure, panels, 2)
    caption = (
        "Means over members that did not diverge, where they stopped; every one began as the same "
        "function, hence with the same rates."
    )
    name = style.slug("tuning-rates", *source.prefix, language)
    return style.finish(figure, name, f"{language}: rule rates after fine-tuning by α", caption)


def _ticks(tuning: Tuning, panels: Mapping[str, Axes]) -> tuple[list[float], list[str]]:
    scales = sorted({row["alpha"] for change in panels for row in _of(tuning.members, change)})
    return scales, [_FRACTIONS.get(alpha, f"{alpha:g}") for alpha in scales]
