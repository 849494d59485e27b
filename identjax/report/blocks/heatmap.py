"""Who behaves like whom: the divergence of every pair of members at equal ε."""

import numpy as np
import pyarrow as pa
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize

from identjax.evaluation.pair_tables import make_matrix
from identjax.query import Floats, distinct, pairs_of, where
from identjax.report import style
from identjax.report.block import Block, Drawing, block
from identjax.report.blocks.curve import MEASURES
from identjax.report.blocks.kinds import find_kinds
from identjax.report.format import SPLITS, count
from identjax.report.view import View

# In order of preference: what completions show first.
_MEASURES = ("churn", "tv_next", "js_next")
_MOST_CELLS = 48


@block("heatmap", place=400)
def show(view: View) -> Block | None:
    """Draw all pairs out of distribution and, in the same order and colours, in distribution."""
    kinds = find_kinds(view)
    pairs = where(view["pairwise"], rung=view.at)
    measure = next((m for m in _MEASURES if m in distinct(pairs, "measure")), None)
    if kinds is None or measure is None:
        return None
    pairs = where(pairs, measure=measure)
    ids = [kinds.members[row] for row in kinds.clusters.order_M]
    off, on = (_matrix(where(pairs, split=split), ids) for split in ("ood", "id"))
    cell_of = pairs_of(view["members"], "member_id", "cell")
    drawing = _draw_both(view, measure, off, on, [cell_of[member] for member in ids])
    return Block("Who behaves like whom", figures=(drawing,))


def _draw_both(view: View, measure: str, off: Floats, on: Floats, cells: list[str]) -> Drawing:
    figure = style.new_figure(5.8, 3.4)
    left, right = figure.subplots(1, 2)
    top = max(float(np.nanmax(off)), 1e-9)
    looks = style.looks(view.source.cells)
    for axes, values, split in ((left, off, "ood"), (right, on, "id")):
        _draw_matrix(axes, values, top, [looks[cell].colour for cell in cells])
        axes.set_title(SPLITS[split])
    scale = ScalarMappable(Normalize(0, top), "cividis")
    bar = figure.colorbar(
        scale, ax=[left, right], orientation="horizontal", shrink=0.5, aspect=30, pad=0.03
    )
    bar.set_label(MEASURES[measure])
    bar.outline.set_visible(False)
    look = {"ls": "", "marker": "s", "ms": 7}
    style.write_legend(figure, {c: look | {"color": looks[c].colour} for c in sorted(set(cells))})
    caption = (
        f"Rows and columns are members ({count(len(cells), 'member')}), in the order of the "
        "tree that clusters their completions; the strip gives their cell. Blocks are kinds of "
        "behaviour that the loss does not tell apart; blank pairs were not measured."
    )
    title = f"{view.language}: {MEASURES[measure]} between members at equal ε"
    return style.finish(figure, view.name("heatmap"), title, caption)


def _matrix(pairs: pa.Table, ids: list[str]) -> Floats:
    values: Floats = make_matrix(pairs, ids)
    values[~np.isfinite(values)] = np.nan
    np.fill_diagonal(values, 0)
    return values


def _draw_matrix(axes: Axes, values: Floats, top: float, colours: list[str]) -> None:
    n = len(values)
    axes.pcolormesh(
        np.ma.masked_invalid(values), cmap="cividis", vmin=0, vmax=top, rasterized=n > _MOST_CELLS
    )
    strip = max(n * 0.03, 0.3)
    for row, colour in enumerate(colours):
        axes.fill_between([-1.6 * strip, -0.6 * strip], row, row + 1, color=colour, lw=0)
    axes.set_xlim(-1.7 * strip, n)
    axes.set_ylim(n, 0)
    axes.set_aspect("equal")
    axes.grid(visible=False)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
