"""The identifiability curve: how far behaviour parts at equal ε, off the support and on it."""

from collections.abc import Sequence

from matplotlib.axes import Axes

from identjax.report import style
from identjax.report.format import span
from identjax.report.gather import Source
from identjax.report.table import Row

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


def draw(source: Source, language: str, rows: Sequence[Row], measure: str) -> style.Drawing | None:
    """Draw one measure against ε: both splits, all pairs and pairs of one cell."""
    rows = [row for row in rows if row["measure"] == measure and row["split"] in _SPLITS]
    if not rows:
        return None
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
    axes.set_ylabel(MEASURES.get(measure, measure))
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
    title = f"{language}: {MEASURES.get(measure, measure)} at equal ε"
    return style.finish(
        figure, style.slug("curve", *source.prefix, language, measure), title, caption
    )


def _draw_line(axes: Axes, rows: Sequence[Row], look: int, dash: str, label: str) -> None:
    if not rows:
        return
    colour = style.COLOURS[look]
    x = [float(row["rung"]) for row in rows]
    axes.plot(
        x,
        [row["value"] for row in rows],
        color=colour,
        ls=dash,
        lw=2 if label else 1.1,
        marker=style.MARKERS[look] if label else "",
        ms=5,
        label=label or None,
    )
    if label:
        low, high = [row["low"] for row in rows], [row["high"] for row in rows]
        axes.fill_between(x, low, high, color=colour, alpha=0.16, lw=0)
