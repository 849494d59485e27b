"""What training makes of one function: curves by α, the loss after the same steps, and rules."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from identjax.models.symmetries import CHANGES
from identjax.report import style
from identjax.report.block import Drawing
from identjax.report.format import count
from identjax.report.table import Row
from identjax.report.view import View
from identjax.studies.fine_tuning.measure import is_plain

# Where a member that diverged is drawn: above everything.
_ABOVE = 1.06
# Beside each other these have no room as decimals.
_FRACTIONS = {0.25: "¼", 0.5: "½"}
Panels = Mapping[str, Axes]


def name_change(name: str) -> str:
    """Say what a change moves."""
    return CHANGES[name]().label


def _make_panels(rows: Sequence[Row]) -> tuple[Figure, Panels, list[str]]:
    """Make a panel for each change that was made by other α than 1, and list the others.

    Unchanged starts are none of these: they stand in every panel.
    """
    alphas: dict[str, set[float]] = {}
    for row in rows:
        alphas.setdefault(row["change"], set()).add(row["alpha"])
    names = [name for name in CHANGES if name in alphas]
    changes = [name for name in names if alphas[name] != {1}] or names[:1]
    others = [row["change"] for row in rows if not is_plain(row) and row["change"] not in changes]
    columns = min(len(changes), 2)
    down = -(-len(changes) // columns)
    figure = style.new_figure(3.4 * columns + 1.2 * (columns == 1), 2.6 * down + 1.2)
    grid = figure.subplots(down, columns, sharex=True, sharey=True, squeeze=False)
    panels = dict(zip(changes, grid.flat, strict=False))
    for axes in list(grid.flat)[len(changes) :]:
        axes.remove()
    for change, axes in panels.items():
        if len(panels) > 1:
            axes.set_title(name_change(change))
    return figure, panels, sorted(set(others))


def _of(rows: Iterable[Row], change: str) -> list[Row]:
    """Give the rows of a change by α, with unchanged starts where it was not made at α = 1."""
    rows = list(rows)
    own = [row for row in rows if row["change"] == change]
    if all(row["alpha"] != 1 for row in own):
        own += filter(is_plain, rows)
    return sorted(own, key=lambda row: float(row["alpha"]))


def draw_curves(view: View, rows: Sequence[Row], curves: Sequence[Row], optimizer: str) -> Drawing:
    """Draw the mean KL to the truth over steps: colours are α, dashes the controls."""
    figure, panels, controls = _make_panels(rows)
    own = [row for row in curves if row["optimizer"] == optimizer]
    for change, axes in panels.items():
        _draw_scales(axes, _of(own, change), _list_alphas(rows, panels))
        for place, control in enumerate(controls):
            look = {"color": style.INK, "ls": ("--", ":", "-.")[place % 3], "zorder": 3}
            of_control = [row for row in own if row["change"] == control]
            _draw_line(axes, of_control, name_change(control), lw=1.0, **look)
        style.make_log(axes, "y")
    rate = f", learning rate {own[0]['learning_rate']:g}" if own else ""
    _write_labels(
        figure,
        panels,
        f"fine-tuning step of {optimizer}{rate}",
        "KL to the truth, nats per sequence",
        columns=4,
    )
    most = max((row["members"] for row in own), default=0)
    caption = (
        f"Means over members that did not diverge, at most {most} a line; all lines begin as the "
        "same functions. Black: controls at α = 1, under its line where they change nothing."
    )
    title = f"{view.language}: fine-tuning by {optimizer}"
    return style.finish(figure, view.name("tuning", optimizer), title, caption)


def _draw_scales(axes: Axes, rows: Sequence[Row], alphas: Sequence[float]) -> None:
    for place, alpha in enumerate(alphas):
        again, colour = divmod(place, len(style.COLOURS))
        look = {"color": style.COLOURS[colour], "ls": style.DASHES[again], "lw": 1.8}
        _draw_line(axes, [row for row in rows if row["alpha"] == alpha], f"α = {alpha:g}", **look)


def _draw_line(axes: Axes, rows: Sequence[Row], label: str, **look: Any) -> None:
    if rows:
        axes.plot([r["step"] for r in rows], [r["kl_nats"] for r in rows], label=label, **look)


def _write_labels(figure: Figure, panels: Panels, across: str, up: str, columns: int) -> None:
    """Name the axes and, once, each series, whichever panels have it."""
    figure.supxlabel(across, fontsize="medium")
    figure.supylabel(up, fontsize="medium")
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


def draw_losses(view: View, members: Sequence[Row]) -> Drawing:
    """Draw each member's loss over that of the same start unchanged, by α."""
    figure, panels, _ = _make_panels(members)
    finite = [row["ratio"] for row in members if row["ratio"] is not None]
    top = max([*finite, 2.0]) * 1.5
    for change, axes in panels.items():
        axes.axhline(1, color=style.INK, lw=0.8, ls=(0, (1, 2)))
        _draw_members(axes, _of(members, change), members, top)
        style.make_log(axes, "x")
        style.make_log(axes, "y")
        axes.yaxis.set_major_locator(LogLocator(10, subs=(1, 2, 5)))
        axes.set_ylim(min([*finite, 0.5]) / 1.5, top * 1.3)
        _write_ticks(axes, _list_alphas(members, panels))
    _write_labels(figure, panels, "α", "loss over that of the unchanged start", columns=3)
    steps = {row["optimizer"]: row["step"] for row in members}
    taken = ", ".join(f"{count(step, 'step')} of {name}" for name, step in sorted(steps.items()))
    diverged = sum(row["diverged"] for row in members)
    caption = (
        f"Loss in nats per sequence after {taken}, over that of the same start "
        f"unchanged; each mark is a member. Crosses at the top: diverged ({diverged:,} of "
        f"{len(members):,}, controls included)."
    )
    title = f"{view.language}: loss after the same steps by α"
    return style.finish(figure, view.name("tuning-loss"), title, caption)


def _draw_members(axes: Axes, rows: Sequence[Row], members: Sequence[Row], top: float) -> None:
    looks = _find_looks(members)
    for place, (optimizer, look) in enumerate(looks.items()):
        own = [row for row in rows if row["optimizer"] == optimizer]
        shift = 1.06 ** (place - (len(looks) - 1) / 2)
        x = np.array([row["alpha"] for row in own]) * shift
        y = np.array([row["ratio"] for row in own], np.float64)
        ended = np.isfinite(y)
        broke = np.array([row["diverged"] for row in own], bool)
        marks: dict[str, Any] = {"color": look.colour, "ls": "", "ms": 5, "alpha": 0.75}
        axes.plot(x[ended], y[ended], marker=look.marker, label=optimizer, **marks)
        axes.plot(x[broke], np.full(broke.sum(), top), marker="x", **marks)


def draw_rates(view: View, rows: Sequence[Row]) -> Drawing:
    """Draw the mean rate of the rule after fine-tuning by α, in and out of distribution."""
    figure, panels, _ = _make_panels(rows)
    for change, axes in panels.items():
        for optimizer, look in _find_looks(rows).items():
            own = [row for row in _of(rows, change) if row["optimizer"] == optimizer]
            for split, dash, words in (("id", "--", "in"), ("ood", "-", "out of")):
                known = [row for row in own if row[f"rate_{split}"] is not None]
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
        _write_ticks(axes, _list_alphas(rows, panels))
        axes.set_ylim(-0.03, _ABOVE)
    _write_labels(figure, panels, "α", f"rate of {rows[0]['rule']} after fine-tuning", columns=2)
    caption = (
        "Means over members that did not diverge, where they stopped; every one began as the same "
        "function, hence with the same rates."
    )
    title = f"{view.language}: rule rates after fine-tuning by α"
    return style.finish(figure, view.name("tuning-rates"), title, caption)


def _find_looks(rows: Iterable[Row]) -> dict[str, style.Look]:
    return style.looks(sorted({row["optimizer"] for row in rows}))


def _list_alphas(rows: Sequence[Row], panels: Panels) -> list[float]:
    return sorted({row["alpha"] for change in panels for row in _of(rows, change)})


def _write_ticks(axes: Axes, alphas: Sequence[float]) -> None:
    axes.set_xticks(alphas, [_FRACTIONS.get(alpha, f"{alpha:g}") for alpha in alphas])
