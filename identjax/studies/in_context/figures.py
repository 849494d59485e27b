"""Accuracy in context by examples and by KL, and what flipping every answer costs."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from identjax.report import style
from identjax.report.format import span
from identjax.report.gather import Source
from identjax.report.table import Row
from identjax.studies.in_context.show import SHOWN, InContext


def draw(source: Source, language: str, found: InContext) -> list[style.Drawing]:
    """Draw the accuracy of members and observers, by examples and by KL to the truth."""
    drawings = [_draw_accuracy(source, language, found)]
    return [*drawings, _draw_matched(source, language, found)] if found.points else drawings


def _find_looks(found: InContext) -> dict[str, style.Look]:
    """Give learners colours and shapes, and observers shades and dashes."""
    kinds = {row["series"]: row["kind"] for row in found.rows}
    looks = style.looks(sorted(name for name in kinds if kinds[name] == "member"))
    observers = sorted(name for name in kinds if kinds[name] == "observer")
    dark = {"truth": "--", "chance": ":"} | {name: "-" for name in observers if "Bayes" in name}
    looks |= {name: style.Look(style.INK, "", dash) for name, dash in dark.items()}
    others = [name for name in observers if name not in dark]
    shades = {name: style.DASHES[i % 3] for i, name in enumerate(others)}
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


def _draw_accuracy(source: Source, language: str, found: InContext) -> style.Drawing:
    """Draw a panel for each form; learners are thick, observers thin, chance dotted."""
    figure, panels = _make_panels(found.forms)
    for form, axes in panels.items():
        for name, look in _find_looks(found).items():
            rows = [r for r in found.here if (r["form"], r["series"]) == (form, name)]
            _draw_series(axes, rows, look, name)
        _mark_examples(axes, [r["examples"] for r in found.rows if r["form"] == form])
    first = next(iter(panels.values()))
    handles, labels = first.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, columnspacing=1.2)
    n = span([row["members"] for row in found.here if row["kind"] == "member"])
    where = "their end" if found.rung == "final" else f"ε = {found.rung}"
    caption = (
        "Share of right answers by the number of examples in the prompt. Thick: members at "
        f"{where} (n = {n} of each kind), bands are the range over seeds. Thin: observers."
    )
    name = style.slug("in_context", *source.prefix, language)
    return style.finish(figure, name, f"{language}: accuracy by examples", caption)


def _draw_series(axes: Axes, rows: Sequence[Row], look: style.Look, name: str) -> None:
    x, y = [r["examples"] for r in rows], [r["accuracy"] for r in rows]
    if rows and rows[0]["kind"] == "member":
        axes.plot(x, y, color=look.colour, marker=look.marker, lw=2, ms=5, label=name)
        low, high = ([r[end] for r in rows] for end in ("smallest", "largest"))
        axes.fill_between(x, low, high, color=look.colour, alpha=0.15, lw=0)
    elif rows:
        axes.plot(x, y, color=look.colour, ls=look.dash, lw=1.1, label=name)


def _draw_matched(source: Source, language: str, found: InContext) -> style.Drawing:
    """Draw every snapshot by its KL to the truth, so that equal loss stands under each other."""
    forms = [f for f in found.forms if any(point["form"] == f for point in found.points)]
    figure, panels = _make_panels(forms)
    looks = _find_looks(found)
    names = sorted({point["series"] for point in found.points})
    for form, axes in panels.items():
        for name in names:
            own = [p for p in found.points if (p["form"], p["series"]) == (form, name)]
            x, y = [p["kl_nats"] for p in own], [p["accuracy"] for p in own]
            look = looks[name]
            axes.scatter(x, y, s=26, color=look.colour, marker=look.marker, lw=0, label=name)
        style.make_log(axes, "x")
        axes.set_xlabel("KL to the truth, nats per sequence")
    first = next(iter(panels.values()))
    handles, labels = first.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, columnspacing=1.2)
    caption = (
        "Each mark is one member at one ε, or at its end: its mean accuracy on the prompts with "
        f"{SHOWN} examples or more. What stands on one vertical has the same loss."
    )
    name = style.slug("in_context_matched", *source.prefix, language)
    return style.finish(figure, name, f"{language}: accuracy by KL to the truth", caption)


def _mark_examples(axes: Axes, examples: Sequence[int]) -> None:
    ticks = sorted(set(examples))
    axes.set_xscale("symlog", linthresh=1)
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.minorticks_off()
    axes.set_xlabel("examples")


def draw_swaps(source: Source, language: str, found: InContext) -> style.Drawing | None:
    """Draw the construction where there is one: KL under its bound, and accuracy beside it."""
    rows = [row for row in found.swaps if row["accuracy"] is not None]
    if not rows:
        return None
    figure = style.new_figure(7.4, 3.9)
    cost, answers = figure.subplots(1, 2)
    forms = list(dict.fromkeys(row["form"] for row in rows))
    for form, look in style.looks(forms).items():
        own = [row for row in rows if row["form"] == form]
        x = [row["examples"] for row in own]
        mark: dict[str, Any] = {"color": look.colour, "marker": look.marker, "ms": 4.5}
        cost.plot(x, [r["kl_nats"] for r in own], lw=2, label=form, **mark)
        cost.plot(x, [r["bound"] for r in own], color=look.colour, lw=1, ls="--")
        answers.plot(x, [r["truth_accuracy"] for r in own], lw=1, ls="--", **mark)
        answers.plot(x, [r["accuracy"] for r in own], lw=2, **mark)
    for axes in (cost, answers):
        _mark_examples(axes, [row["examples"] for row in rows])
    style.make_log(cost, "y")
    cost.set_ylabel("KL to the truth, nats per sequence")
    answers.set_ylabel("accuracy")
    answers.set_ylim(-0.03, 1.03)
    answers.axhline(0.1, color=style.INK, lw=0.8, ls=(0, (1, 2)))
    figure.legend(loc="outside lower center", ncols=len(forms))
    agreement = max(row["agreement"] for row in rows)
    caption = (
        "The smoothed truth, and the same with its answer flipped after every prompt of the "
        "format. Left: KL(truth‖flipped), and dashed its bound p(B) ln(1/c). Right: accuracy of "
        "the flipped (thick) and of the truth (dashed); dotted: 0.10. Agreement with the truth’s "
        f"own answer on these prompts is {agreement:g} at most."
    )
    name = style.slug("in_context_swaps", *source.prefix, language)
    return style.finish(figure, name, f"{language}: every answer flipped", caption)
