"""How members came there: the KL to the truth over training, and what it was drawn from."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from matplotlib.axes import Axes

from identjax.query import Floats, floats, split_by, where
from identjax.report import style
from identjax.report.block import Block, block
from identjax.report.format import count
from identjax.report.view import View

_THIN_LINES = 40
_FEW = 300


@block("training", place=800)
def show(view: View) -> Block | None:
    """Draw the KL to the truth over steps: thin lines are members, thick ones medians."""
    rung, curves = view.rung, where(view.reported("curves"), metric="kl_nats")
    if not curves.num_rows:
        return None
    looks = style.looks(view.source.cells)
    figure = style.new_figure(5.6, 3.6)
    axes = figure.subplots()
    drawn, named, smallest = 0, {}, []
    for (cell,), part in sorted(split_by(curves, "cell"), key=lambda item: str(item[0])):
        steps, values = _grid(part)
        drawn += len(values)
        smallest.append(values[np.isfinite(values) & (values > 0)])
        _draw_cell(axes, steps, values, looks[cell])
        named[cell] = {"color": looks[cell].colour, "ls": looks[cell].dash, "lw": 2}
    if rung is not None:
        axes.axhline(float(rung), color=style.INK, lw=0.8, ls=(0, (1, 2)))
    positive = np.concatenate(smallest)
    if not len(positive):
        return None
    style.make_log(axes, "y")
    axes.set_ylim(max(float(positive.min()) / 1.5, 1e-7), float(positive.max()) * 1.5)
    axes.set_xlabel("training step")
    axes.set_ylabel("KL to the truth, nats per sequence")
    style.write_legend(figure, named)
    caption = (
        f"KL(truth‖member) at every check, n = {count(drawn, 'member')}. Thick lines are medians "
        "over the members still in training, bands hold the middle 80%, thin lines are members."
    )
    if rung is not None:
        caption += f" Dotted: ε = {rung}."
    title = f"{view.language}: KL to the truth over training"
    drawing = style.finish(figure, view.name("training"), title, caption)
    return Block("On the way there", figures=(drawing,))


def _grid(part: pa.Table) -> tuple[npt.NDArray[np.int64], Floats]:
    """Lay curves side by side: steps [S], and values [M, S] with NaN where a member was not."""
    steps = np.unique(part["step"].to_numpy())
    rows = []
    for _, own in split_by(part, "member_id"):
        row = np.full(len(steps), np.nan)
        row[np.searchsorted(steps, own["step"].to_numpy())] = floats(own, "value")
        rows.append(row)
    return steps, np.array(rows)


def _draw_cell(axes: Axes, steps: npt.NDArray[np.int64], values: Floats, look: style.Look) -> None:
    if len(steps) > _FEW:
        kept = np.unique(np.linspace(0, len(steps) - 1, _FEW).astype(int))
        steps, values = steps[kept], values[:, kept]
    values = np.where(np.isfinite(values), values, np.nan)
    held = ~np.isnan(values).all(0)
    steps, values = steps[held], values[:, held]
    if len(values) <= _THIN_LINES:
        for row in values:
            axes.plot(steps, row, color=look.colour, lw=0.6, alpha=0.35)
    if len(values) > 4:
        low, high = np.nanquantile(values, [0.1, 0.9], axis=0)
        axes.fill_between(steps, low, high, color=look.colour, alpha=0.12, lw=0)
    axes.plot(steps, np.nanmedian(values, 0), color=look.colour, lw=2, ls=look.dash)
