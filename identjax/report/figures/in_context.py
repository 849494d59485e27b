"""Accuracy in context against the number of examples, and what flipping every answer costs."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes

from identjax.report import style
from identjax.report.gather import Source
from identjax.report.in_context import InContext
from identjax.report.tables import Row
from identjax.report.words import span


def draw(source: Source, language: str, found: InContext) -> list[style.Drawing]:
    """Draw the accuracy of members and observers, and the construction where there is one."""
    drawings = [_draw_accuracy(source, language, found)]
    curve = [row for row in found.swaps if row["accuracy"] is not None]
    if curve:
        drawings.append(_draw_swaps(source, language, curve))
    return drawings


def _draw_accuracy(source: Source, language: str, found: InContext) -> style.Drawing:
    """Draw a panel for each form; learners are thick, observers thin, chance dotted."""
    figure = style.new_figure(2.2 + 2.0 * len(found.forms), 3.9)
    panels = figure.subplots(1, len(found.forms), squeeze=False, sharey=True)[0]
    names = list(dict.fromkeys(row["series"] for row in found.rows))
    kinds = {row["series"]: row["kind"] for row in found.rows}
    names.sort(key=lambda name: (kinds[name] != "member", name))
    looks = style.looks(names)
    for axes, form in zip(panels, found.forms, strict=True):
        for name in names:
            rows = [r for r in found.rows if (r["form"], r["series"]) == (form, name)]
            _draw_series(axes, rows, looks[name], kinds[name] == "member", name)
        _mark_examples(axes, [r["examples"] for r in found.rows if r["form"] == form])
        axes.set_title(form)
        axes.set_ylim(-0.03, 1.03)
    panels[0].set_ylabel("accuracy")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, columnspacing=1.2)
    n = span([row["members"] for row in found.rows if row["kind"] == "member"])
    caption = (
        "Share of right answers by the number of examples in the prompt. Thick: members at ε = "
        f"{found.rung} (n = {n} of each kind), bands are the range over seeds. Thin: observers."
    )
    name = style.slug("in_context", *source.prefix, language)
    return style.finish(figure, name, f"{language}: accuracy by examples", caption)


def _draw_series(
    axes: Axes, rows: Sequence[Row], look: style.Look, learns: bool, name: str
) -> None:
    x, y = [r["examples"] for r in rows], [r["accuracy"] for r in rows]
    if learns:
        axes.plot(x, y, color=look.colour, marker=look.marker, lw=2, ms=5, label=name)
        low, high = ([r[end] for r in rows] for end in ("smallest", "largest"))
        axes.fill_between(x, low, high, color=look.colour, alpha=0.15, lw=0)
    else:
        dash = ":" if name == "chance" else look.dash
        axes.plot(x, y, color=look.colour, ls=dash, lw=1.1, marker=look.marker, ms=3, label=name)


def _mark_examples(axes: Axes, examples: Sequence[int]) -> None:
    ticks = sorted(set(examples))
    axes.set_xscale("symlog", linthresh=1)
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.minorticks_off()
    axes.set_xlabel("examples")


def _draw_swaps(source: Source, language: str, rows: Sequence[Row]) -> style.Drawing:
    """Draw KL under its bound, and accuracy and agreement beside it."""
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
