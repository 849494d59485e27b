"""What explains behaviour, as a picture: shares of variance with their intervals."""

from collections.abc import Sequence

import numpy as np

from identjax.report import style
from identjax.report.format import count
from identjax.report.gather import Source
from identjax.report.table import Row


def draw(source: Source, language: str, rows: Sequence[Row]) -> style.Drawing | None:
    """Draw one line per source of variance, the residual last."""
    if not rows:
        return None
    figure = style.new_figure(5.6, 0.9 + 0.34 * len(rows))
    axes = figure.subplots()
    places = np.arange(len(rows))[::-1]
    for place, row in zip(places, rows, strict=True):
        if row["low"] == row["low"]:
            axes.plot([row["low"], row["high"]], [place, place], color=style.COLOURS[0], lw=2)
    shares = [row["share"] for row in rows]
    axes.plot(shares, places, ls="", marker="o", ms=7, color=style.COLOURS[0], mec=style.INK)
    axes.axvline(0, color=style.INK, lw=0.8)
    axes.set_yticks(places, [str(row["source"]).replace("_", " ") for row in rows])
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.set_xlabel(f"share of the variance of {rows[0]['rule']} out of distribution")
    axes.grid(visible=False, axis="y")
    caption = (
        f"Corrected for chance, with 95% intervals; n = {count(rows[0]['members'], 'member')} at "
        f"ε = {rows[0]['rung']}. What no choice explains is in the residual."
    )
    name = style.slug("variance", *source.prefix, language)
    return style.finish(figure, name, f"{language}: what explains {rows[0]['rule']}", caption)
