"""Same loss, different behaviour: the KL to the truth of each member against its rule rate."""

import dataclasses
from typing import Any

import numpy as np
import pyarrow as pa
from matplotlib.axes import Axes

from identjax.query import Floats, distinct, floats, main_rule, pairs_of, settled, split_by, where
from identjax.report import style
from identjax.report.block import Block, block
from identjax.report.view import View
from identjax.rungs import is_step, order

_MANY = 3000


@dataclasses.dataclass(frozen=True)
class Points:
    """The snapshots of one cell in one split; `last` tells which is a member's last."""

    kl: Floats
    rate: Floats
    last: np.ndarray


@block("scatter", place=100)
def show(view: View) -> Block | None:
    """Draw the members of a language: in distribution on the left, out of it on the right."""
    rung, rules = view.rung, settled(view.reported("rules"))
    rule = main_rule(distinct(rules, "rule"))
    kl = _kl_by_snapshot(view["likelihood"])
    rows = where(rules, rule=rule)
    shown = {split: _points(where(rows, split=split), kl) for split in ("id", "ood")}
    everything = [p for cells in shown.values() for p in cells.values()]
    if not any(len(p.kl) for p in everything):
        return None
    last = np.concatenate([points.kl[points.last] for points in everything])
    limits = _limits(last, rung)
    looks = style.looks(view.source.cells)
    figure = style.new_figure(5.8, 3.9)
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(1, 1.5))
    for axes, split in ((left, "id"), (right, "ood")):
        for cell, points in shown[split].items():
            _draw_points(axes, points, looks[cell], limits)
        if rung is not None:
            axes.axvline(float(rung), color=style.INK, lw=0.8, ls=(0, (1, 2)))
        axes.set_xlim(*limits)
        style.make_log(axes, "x")
    left.set_title("in distribution")
    right.set_title("out of distribution")
    left.set_ylabel(f"share of prompts on which {rule} holds")
    left.set_ylim(-0.03, 1.03)
    figure.supxlabel("KL to the truth, nats per sequence", fontsize=10)
    _draw_baselines(right, where(view["baselines"], rule=rule, split="ood"))
    named = {
        cell: {"ls": "", "marker": look.marker, "ms": 6, "color": look.colour}
        for cell, look in looks.items()
        if cell in shown["id"] | shown["ood"]
    }
    style.write_legend(figure, named)
    title = f"{view.language}: KL to the truth against {rule}, in and out of distribution"
    caption = _caption(rule, len(distinct(rows, "member_id")), rung, limits, last)
    drawing = style.finish(figure, view.name("scatter"), title, caption)
    return Block("Same loss, different behaviour", figures=(drawing,))


def _kl_by_snapshot(likelihood: pa.Table) -> dict[tuple[str, str], float]:
    keys = zip(likelihood["member_id"].to_pylist(), likelihood["rung"].to_pylist(), strict=True)
    return dict(zip(keys, floats(likelihood, "kl_nats").tolist(), strict=True))


def _points(rows: pa.Table, kl: dict[tuple[str, str], float]) -> dict[str, Points]:
    """Match rates with KLs, cell by cell; step snapshots are left to the dynamics."""
    found = {}
    for (cell,), part in split_by(rows, "cell"):
        members, rungs = part["member_id"].to_pylist(), part["rung"].to_pylist()
        last: dict[str, str] = {}
        for member, rung in zip(members, rungs, strict=True):
            if not is_step(rung):
                last[member] = max(last.get(member, rung), rung, key=order)
        kept = [
            (kl[member, rung], rate, last[member] == rung)
            for member, rung, rate in zip(members, rungs, floats(part, "rate"), strict=True)
            if member in last and (member, rung) in kl and not is_step(rung)
            if not np.isnan(rate)
        ]
        columns = np.array(kept, np.float64).reshape(-1, 3).T
        found[cell] = Points(columns[0], columns[1], columns[2] > 0)
    return dict(sorted(found.items()))


def _limits(last: Floats, rung: str | None) -> tuple[float, float]:
    """Make room for all last snapshots, and for earlier ones up to ten times ε."""
    shown = last[np.isfinite(last) & (last > 1e-7)]
    if rung is not None:
        shown = np.append(shown, [float(rung), 6 * float(rung)])
    if not len(shown):
        return 1e-4, 1.0
    return float(shown.min()) / 1.6, float(shown.max()) * 1.6


def _draw_points(axes: Axes, points: Points, look: style.Look, limits: tuple[float, float]) -> None:
    x = np.clip(points.kl, *limits)
    early, last = ~points.last & (points.kl == x), points.last
    small: dict[str, Any] = {"ms": 2.6, "mew": 0, "alpha": 0.3}
    large = {"ms": 6, "mew": 0.7, "mec": style.INK, "alpha": 0.85, "clip_on": False, "zorder": 3}
    for chosen, size in ((early, small), (last, large)):
        size |= {"ls": "", "color": look.colour, "rasterized": len(x) > _MANY}
        axes.plot(x[chosen], points.rate[chosen], marker=look.marker, **size)


def _draw_baselines(axes: Axes, rows: pa.Table) -> None:
    """Draw what needs no learning, with one label for lines that lie together."""
    found = pairs_of(rows, "baseline", "rate")
    named = (("chance", found.get("chance")), ("EOS now", found.get("eos_now")))
    known = [(rate, name) for name, rate in named if rate is not None]
    labels: list[tuple[float, str]] = []
    for rate, name in sorted(known, key=lambda item: item[0]):
        axes.axhline(rate, color=style.INK, lw=1, ls=(0, (4, 3)), alpha=0.75)
        text = f"{name} {rate:.2f}"
        if labels and rate - labels[-1][0] < 0.06:
            labels[-1] = (rate, f"{labels[-1][1]}, {text}")
        else:
            labels.append((rate, text))
    place: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points"}
    for rate, text in labels:
        axes.annotate(text, (1, rate), (0, 2), ha="right", va="bottom", fontsize=8.5, **place)


def _caption(rule: str, n: int, rung: str | None, limits: tuple[float, float], last: Floats) -> str:
    text = (
        "Each large mark is one member where it stopped (or its last snapshot), each small one an "
        f"earlier snapshot at a larger ε; n = {n} members. Across: KL(truth‖member). Up: the "
        f"share of judged prompts whose greedy completion satisfies {rule}; an unfinished "
        "completion fails. Members one above the other have the same loss."
    )
    if rung is not None:
        text += f" Dotted: ε = {rung}."
    if outside := int(((last < limits[0]) | (last > limits[1])).sum()):
        text += f" {outside} large marks lie beyond the axis and are drawn on its edge."
    return text
