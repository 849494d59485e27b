"""Accuracy in context by examples and by KL, and what flipping every answer costs."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from identjax.report import style
from identjax.report.block import Drawing
from identjax.report.format import span
from identjax.report.table import Row
from identjax.report.view import View
from identjax.rungs import FINAL
from identjax.studies.in_context.tasks import SHOWN


def _find_looks(rows: Sequence[Row]) -> dict[str, style.Look]:
    """Give learners colours and shapes, and observers shades and dashes; the best is unbroken."""
    kinds = {row["series"]: row["kind"] for row in rows}
    looks = style.looks(sorted(name for name in kinds if kinds[name] == "member"))
    looks |= {"truth": style.Look(style.INK, "", "--"), "chance": style.Look(style.INK, "", ":")}
    others = sorted(name for name in kinds if name not in looks)
    shares = {n: [row["accuracy"] for row in rows if row["series"] == n] for n in others}
    best = max(others, key=lambda name: float(np.mean(shares[name])), default="")
    looks |= {name: style.Look(style.INK, "", "-") for name in others if name == best}
    shades = {name: style.DASHES[i % 3] for i, name in enumerate(n for n in others if n != best)}
    return looks | {name: style.Look(style.QUIET, "", dash) for name, dash in shades.items()}


def _make_panels(forms: Sequence[str]) -> tuple[Figure, dict[str, Axes]]:
    """Make a panel for each form, two side by side."""
    down = -(-len(forms) // 2)
    figure = style.new_figure(7.4 if len(forms) > 1 else 5.6, 1.3 + 2.4 * down)
    grid = figure.subplots(down, min(len(forms), 2), squeeze=False, sharey=True)
    panels = dict(zip(forms, grid.flat, strict=False))
    for axes in list(grid.flat)[len(forms) :]:
        axes.set_visible(False)
    for form, axes in panels.items():
        axes.set_title(form)
        axes.set_ylim(-0.03, 1.03)
    for row in grid:
        row[0].set_ylabel("accuracy")
    return figure, panels


def _write_legend(figure: Figure, panels: Mapping[str, Axes]) -> None:
    handles, labels = next(iter(panels.values())).get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, columnspacing=1.2)


def draw_accuracy(view: View, rows: Sequence[Row]) -> Drawing:
    """Draw a panel for each form; learners are thick, observers thin, chance dotted."""
    figure, panels = _make_panels(list(dict.fromkeys(row["form"] for row in rows)))
    here = [row for row in rows if row["rung"] in ("", view.at)]
    for form, axes in panels.items():
        for name, look in _find_looks(rows).items():
            own = [row for row in here if (row["form"], row["series"]) == (form, name)]
            _draw_series(axes, own, look, name)
        _mark_examples(axes, [row["examples"] for row in rows if row["form"] == form])
    _write_legend(figure, panels)
    n = span([row["members"] for row in here if row["kind"] == "member"])
    where = "their end" if view.at == FINAL else f"ε = {view.at}"
    caption = (
        "Share of right answers by the number of examples in the prompt. Thick: members at "
        f"{where} (n = {n} of each kind), bands are the range over seeds. Thin: observers."
    )
    title = f"{view.language}: accuracy by examples"
    return style.finish(figure, view.name("in_context"), title, caption)


def _draw_series(axes: Axes, rows: Sequence[Row], look: style.Look, name: str) -> None:
    x, y = [row["examples"] for row in rows], [row["accuracy"] for row in rows]
    if rows and rows[0]["kind"] == "member":
        axes.plot(x, y, color=look.colour, marker=look.marker, lw=2, ms=5, label=name)
        low, high = ([row[end] for row in rows] for end in ("smallest", "largest"))
        axes.fill_between(x, low, high, color=look.colour, alpha=0.15, lw=0)
    elif rows:
        axes.plot(x, y, color=look.colour, ls=look.dash, lw=1.1, label=name)


def draw_matched(view: View, rows: Sequence[Row], points: Sequence[Row]) -> Drawing:
    """Draw every snapshot by its KL to the truth, so that equal loss stands under each other."""
    forms = dict.fromkeys(row["form"] for row in rows)
    figure, panels = _make_panels([f for f in forms if any(p["form"] == f for p in points)])
    looks = _find_looks(rows)
    for form, axes in panels.items():
        for name in sorted({point["series"] for point in points}):
            own = [p for p in points if (p["form"], p["series"]) == (form, name)]
            x, y = [p["kl_nats"] for p in own], [p["accuracy"] for p in own]
            look = looks[name]
            axes.scatter(x, y, s=26, color=look.colour, marker=look.marker, lw=0, label=name)
        style.make_log(axes, "x")
        axes.set_xlabel("KL to the truth, nats per sequence")
    _write_legend(figure, panels)
    caption = (
        "Each mark is one member at one ε, or at its end: its mean accuracy on the prompts with "
        f"{SHOWN} examples or more. What stands on one vertical has the same loss."
    )
    title = f"{view.language}: accuracy by KL to the truth"
    return style.finish(figure, view.name("in_context_matched"), title, caption)


def _mark_examples(axes: Axes, examples: Sequence[int]) -> None:
    ticks = sorted(set(examples))
    axes.set_xscale("symlog", linthresh=1)
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.minorticks_off()
    axes.set_xlabel("examples")


def draw_swaps(view: View, rows: Sequence[Row], chance: float) -> Drawing:
    """Draw the construction: its KL under the bound, and beside it what it answers."""
    figure = style.new_figure(7.4, 3.9)
    cost, answers = figure.subplots(1, 2)
    forms = list(dict.fromkeys(row["form"] for row in rows))
    for form, look in style.looks(forms).items():
        own = [row for row in rows if row["form"] == form]
        x = [row["examples"] for row in own]
        mark: dict[str, Any] = {"color": look.colour, "marker": look.marker, "ms": 4.5}
        cost.plot(x, [row["kl_nats"] for row in own], lw=2, label=form, **mark)
        cost.plot(x, [row["bound"] for row in own], color=look.colour, lw=1, ls="--")
        answers.plot(x, [row["truth_accuracy"] for row in own], lw=1, ls="--", **mark)
        answers.plot(x, [row["accuracy"] for row in own], lw=2, **mark)
    for axes in (cost, answers):
        _mark_examples(axes, [row["examples"] for row in rows])
    style.make_log(cost, "y")
    cost.set_ylabel("KL to the truth, nats per sequence")
    answers.set_ylabel("accuracy")
    answers.set_ylim(-0.03, 1.03)
    answers.axhline(chance, color=style.INK, lw=0.8, ls=(0, (1, 2)))
    figure.legend(loc="outside lower center", ncols=len(forms))
    agreement = max(row["agreement"] for row in rows)
    caption = (
        "The smoothed truth, and the same with its answer flipped after every prompt of the "
        "format. Left: KL(truth‖flipped), and dashed its bound p(B) ln(1/c). Right: accuracy of "
        "the flipped (thick) and of the truth (dashed); dotted: chance. Agreement with the "
        f"truth’s own answer on these prompts is {agreement:g} at most."
    )
    title = f"{view.language}: every answer flipped"
    return style.finish(figure, view.name("in_context_swaps"), title, caption)
