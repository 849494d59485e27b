"""What training makes of one function: curves by α, the loss after the same steps, and rules."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator

from identjax.report import style
from identjax.report.gather import Source
from identjax.report.tables import Row
from identjax.report.tuning import Tuning
from identjax.report.words import count

# Where a member that diverged is drawn: above everything.
_ABOVE = 1.06
NAMES = {
    "permute": "permuted units",
    "query_key": "queries and keys",
    "value_output": "values and outputs",
}


def draw(source: Source, language: str, tuning: Tuning) -> list[style.Drawing]:
    """Draw curves for each optimizer, then the loss and the rule rates by α."""
    about = source, language, tuning
    curves = [draw_curves(*about, optimizer) for optimizer in tuning.optimizers]
    return [*curves, draw_losses(*about), draw_rates(*about)]


def draw_curves(source: Source, language: str, tuning: Tuning, optimizer: str) -> style.Drawing:
    """Draw the mean KL to the truth over steps: colours are α, dashes the controls."""
    own = [row for row in tuning.curves if row["optimizer"] == optimizer]
    scales = sorted({row["alpha"] for row in own if _is_scaled(row)})
    figure = style.new_figure(5.6, 3.8)
    axes = figure.subplots()
    for place, alpha in enumerate(scales):
        rows = [row for row in own if _is_scaled(row) and row["alpha"] == alpha]
        again, colour = divmod(place, len(style.COLOURS))
        look = {"color": style.COLOURS[colour], "ls": style.DASHES[again]}
        _draw_line(axes, rows, f"α = {alpha:g}", lw=1.8, **look)
    others = sorted({row["change"] for row in own if not _is_scaled(row) and row["alpha"] == 1})
    for change, dash in zip(others, ("--", ":", "-."), strict=False):
        rows = [row for row in own if row["change"] == change and row["alpha"] == 1]
        label = NAMES.get(change, change)
        _draw_line(axes, rows, label, color=style.INK, lw=1.0, ls=dash, zorder=3)
    style.make_log(axes, "y")
    axes.set_xlabel("fine-tuning step")
    axes.set_ylabel("KL to the truth, nats per sequence")
    axes.set_title(f"{optimizer}, learning rate {own[0]['learning_rate']:g}" if own else optimizer)
    figure.legend(loc="outside upper left", ncols=4, columnspacing=1.2, handlelength=1.6)
    most = max((row["members"] for row in own), default=0)
    caption = (
        f"Means over members that did not diverge, at most {most} a line; all lines begin as the "
        "same functions. Black: controls at α = 1, under its line where they change nothing."
    )
    name = style.slug("tuning", *source.prefix, language, optimizer)
    return style.finish(figure, name, f"{language}: fine-tuning by {optimizer}", caption)


def _is_scaled(row: Row) -> bool:
    return row["change"] in ("none", "rescale")


def _draw_line(axes: Axes, rows: Sequence[Row], label: str, **look: Any) -> None:
    axes.plot([r["step"] for r in rows], [r["kl_nats"] for r in rows], label=label, **look)


def draw_losses(source: Source, language: str, tuning: Tuning) -> style.Drawing:
    """Draw each member's loss over that of the same start unchanged, by α."""
    figure = style.new_figure(5.6, 3.8)
    axes = figure.subplots()
    finite = [row["ratio"] for row in tuning.members if math.isfinite(row["ratio"])]
    top = max([*finite, 2.0]) * 1.5
    axes.axhline(1, color=style.INK, lw=0.8, ls=(0, (1, 2)))
    for place, (optimizer, look) in enumerate(style.looks(tuning.optimizers).items()):
        rows = [r for r in tuning.members if r["optimizer"] == optimizer and _is_scaled(r)]
        shift = 1.06 ** (place - (len(tuning.optimizers) - 1) / 2)
        x = np.array([row["alpha"] for row in rows]) * shift
        y = np.array([row["ratio"] for row in rows])
        ended = np.isfinite(y)
        broke = np.array([row["broke"] for row in rows])
        marks: dict[str, Any] = {"color": look.colour, "ls": "", "ms": 5, "alpha": 0.75}
        axes.plot(x[ended], y[ended], marker=look.marker, label=optimizer, **marks)
        axes.plot(x[broke], np.full(broke.sum(), top), marker="x", **marks)
    style.make_log(axes, "x")
    style.make_log(axes, "y")
    axes.yaxis.set_major_locator(LogLocator(10, subs=(1, 2, 5)))
    axes.set_ylim(min([*finite, 0.5]) / 1.5, top * 1.3)
    axes.set_xticks(*_ticks(tuning))
    axes.set_xlabel("α")
    axes.set_ylabel("loss over that at α = 1")
    figure.legend(loc="outside upper left", ncols=3)
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
    figure = style.new_figure(5.6, 3.8)
    axes = figure.subplots()
    for optimizer, look in style.looks(tuning.optimizers).items():
        rows = [r for r in tuning.rows if r["optimizer"] == optimizer and _is_scaled(r)]
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
    axes.set_xticks(*_ticks(tuning))
    axes.set_ylim(-0.03, _ABOVE)
    axes.set_xlabel("α")
    axes.set_ylabel(f"rate of {tuning.members[0]['rule']} after fine-tuning")
    figure.legend(loc="outside upper left", ncols=2)
    caption = (
        "Means over members that did not diverge, where they stopped; every one began as the same "
        "function, hence with the same rates."
    )
    name = style.slug("tuning-rates", *source.prefix, language)
    return style.finish(figure, name, f"{language}: rule rates after fine-tuning by α", caption)


def _ticks(tuning: Tuning) -> tuple[list[float], list[str]]:
    scales = sorted({row["alpha"] for row in tuning.members if _is_scaled(row)})
    return scales, [f"{alpha:g}" for alpha in scales]
