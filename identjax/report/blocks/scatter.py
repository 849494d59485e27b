"""Same loss, different behaviour: the KL to the truth of each member against its rule rate."""

import dataclasses
from typing import Any

import numpy as np
import pyarrow as pa
from matplotlib.axes import Axes

from identjax.query import Floats, distinct, floats, main_rule, pairs_of, settled, split_by, where
from identjax.report import style
from identjax.report.block import Block, block
from identjax.report.format import count, describe_length, nats, span
from identjax.report.view import View
from identjax.rungs import is_step

_MANY = 3000


@dataclasses.dataclass(frozen=True)
class Points:
    """The snapshots of one cell in one split; `here` tells which are where members are compared."""

    kl: Floats
    rate: Floats
    here: np.ndarray


@block("scatter", place=100)
def show(view: View) -> Block | None:
    """Draw the members of a language: in distribution on the left, out of it on the right."""
    rung, rules = view.rung, settled(view.reported("rules"))
    members = len(distinct(rules, "member_id"))
    rule = main_rule(distinct(rules, "rule"))
    kl = _kl_by_snapshot(view["likelihood"])
    rows = where(rules, rule=rule)
    shown = {split: _points(where(rows, split=split), kl, view.at) for split in ("id", "ood")}
    everything = [p for cells in shown.values() for p in cells.values()]
    if not any(len(p.kl) for p in everything):
        return None
    here = np.concatenate([points.kl[points.here] for points in everything])
    limits = _limits(here, rung)
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
    named = [cell for cell in looks if cell in shown["id"] | shown["ood"]]
    style.write_legend(figure, {cell: looks[cell].mark for cell in named})
    title = f"{view.language}: KL to the truth against {rule}, in and out of distribution"
    large = {cell: p.kl[p.here] for cell, p in (shown["ood"] or shown["id"]).items()}
    caption = _caption(view, rule, members, large, _count_prompts(rows, view.at), limits)
    drawing = style.finish(figure, view.name("scatter"), title, caption)
    return Block("Same loss, different behaviour", figures=(drawing,))


def _kl_by_snapshot(likelihood: pa.Table) -> dict[tuple[str, str], float]:
    keys = zip(likelihood["member_id"].to_pylist(), likelihood["rung"].to_pylist(), strict=True)
    return dict(zip(keys, floats(likelihood, "kl_nats").tolist(), strict=True))


def _points(rows: pa.Table, kl: dict[tuple[str, str], float], at: str) -> dict[str, Points]:
    """Match rates with KLs, cell by cell; step snapshots are left to the dynamics."""
    found = {}
    for (cell,), part in split_by(rows, "cell"):
        members, rungs = part["member_id"].to_pylist(), part["rung"].to_pylist()
        kept = [
            (kl[member, rung], rate, rung == at)
            for member, rung, rate in zip(members, rungs, floats(part, "rate"), strict=True)
            if (member, rung) in kl and not is_step(rung) and not np.isnan(rate)
        ]
        columns = np.array(kept, np.float64).reshape(-1, 3).T
        found[cell] = Points(columns[0], columns[1], columns[2] > 0)
    return dict(sorted(found.items()))


def _count_prompts(rows: pa.Table, at: str) -> str:
    """Say how many prompts were judged out of distribution."""
    return span(where(rows, split="ood", rung=at)["prompts"].drop_null().to_pylist())


def _limits(here: Floats, rung: str | None) -> tuple[float, float]:
    """Make room for the large marks, and for others up to six times ε."""
    shown = here[np.isfinite(here) & (here > 1e-7)]
    if rung is not None:
        shown = np.append(shown, [float(rung), 6 * float(rung)])
    if not len(shown):
        return 1e-4, 1.0
    return float(shown.min()) / 1.6, float(shown.max()) * 1.6


def _draw_points(axes: Axes, points: Points, look: style.Look, limits: tuple[float, float]) -> None:
    x = np.clip(points.kl, *limits)
    others = ~points.here & (points.kl == x)
    small: dict[str, Any] = {"ms": 2.6, "mew": 0, "alpha": 0.3}
    large = {"ms": 6, "mew": 0.7, "mec": style.INK, "alpha": 0.85, "clip_on": False, "zorder": 3}
    for chosen, size in ((others, small), (points.here, large)):
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


def _caption(
    view: View,
    rule: str,
    members: int,
    large: dict[str, Floats],
    prompts: str,
    limits: tuple[float, float],
) -> str:
    kls = np.concatenate(list(large.values()))
    place = "where it stopped" if view.rung is None else f"at ε = {view.rung} (dotted)"
    text = (
        f"Each large mark is one member {place}, the snapshot of which the headline speaks; each "
        f"small one is another of its snapshots. n = {len(kls)} of {count(members, 'member')}. "
        f"Across: KL(truth‖member). Up: the share of judged prompts whose greedy completion ends "
        f"and keeps {rule}; one that is cut off at {view.max_length} symbols fails. Out of "
        f"distribution: {prompts} prompts{describe_length(view.prompt_length('ood'))}."
    )
    told = [f"{cell} {nats(kl.min())} to {nats(kl.max())}" for cell, kl in large.items() if len(kl)]
    if told:
        text += f" KL at the large marks: {'; '.join(told)}."
    if outside := int(((kls < limits[0]) | (kls > limits[1])).sum()):
        text += f" {outside} large marks lie beyond the axis and are drawn on its edge."
    return text
