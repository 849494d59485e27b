"""How completions end: they keep the rule, end wrongly, or are cut off, member by member."""

from collections.abc import Sequence

import numpy as np

from identjax.query import floats, settled, split_by, where
from identjax.report import style
from identjax.report.block import Block, Drawing, block
from identjax.report.format import count, describe_length, share, span
from identjax.report.table import Row
from identjax.report.view import View
from identjax.rungs import say
from identjax.schema import schema_of

KEPT, WRONG, CUT = "kept", "ended_wrongly", "cut_off"
SHARES = (KEPT, WRONG, CUT)
COLOURS = dict(zip(SHARES, (style.COLOURS[2], style.COLOURS[1], style.COLOURS[6]), strict=True))
SCHEMA = schema_of(
    **dict.fromkeys(("sweep", "language", "rung", "rule", "cell", "member_id"), str),
    **dict.fromkeys(SHARES, float),
    prompts=int,
    prompt_length=int,
    max_length=int,
)
_GAP = 1.5


@block("outcomes", SCHEMA, place=150)
def show(view: View) -> Block:
    """Stack the three shares of each member out of distribution, where members are compared."""
    rows = tabulate(view)
    if not rows:
        return Block(rows=())
    sentences = tuple(_say_cell(own, view) for own in _by_cell(rows))
    return Block("How completions end", sentences, (_draw(view, rows),), rows=tuple(rows))


def tabulate(view: View) -> list[Row]:
    """List the members by cell, those that keep the rule most often first."""
    rule = view.finding.rule
    own = where(settled(view.reported("rules")), rung=view.at, split="ood", rule=rule)
    about = view.about | {"rung": view.at, "rule": rule, "max_length": view.max_length}
    about |= {"prompt_length": view.prompt_length("ood")}
    rows: list[Row] = []
    for (cell,), part in sorted(split_by(own, "cell"), key=lambda item: item[0]):
        columns = part["member_id"].to_pylist(), part["prompts"].to_pylist()
        numbers = floats(part, "rate"), floats(part, "finished")
        found = [
            about
            | {"cell": cell, "member_id": member, "prompts": prompts}
            | {KEPT: kept, WRONG: finished - kept, CUT: 1 - finished}
            for member, prompts, kept, finished in zip(*columns, *numbers, strict=True)
            if not np.isnan(kept + finished)
        ]
        rows += sorted(found, key=lambda row: (-row[KEPT], row[WRONG], row["member_id"]))
    return rows


def _by_cell(rows: Sequence[Row]) -> list[list[Row]]:
    cells = dict.fromkeys(row["cell"] for row in rows)
    return [[row for row in rows if row["cell"] == cell] for cell in cells]


def _say_cell(rows: Sequence[Row], view: View) -> str:
    """Say what the completions of a cell come to."""
    means = {name: float(np.mean([row[name] for row in rows])) for name in SHARES}
    rule, cap = rows[0]["rule"], view.max_length
    of_ended = [row[KEPT] / (1 - row[CUT]) for row in rows if row[CUT] < 1]
    text = (
        f"{rows[0]['cell']} ({count(len(rows), 'member')}): {share(means[KEPT])} of the "
        f"completions keep {rule}, {share(means[WRONG])} end wrongly, and {share(means[CUT])} are "
        f"cut off at {cap} symbols"
    )
    if of_ended:
        text += f"; of those that end, {share(float(np.mean(of_ended)))} keep it"
    return f"{text}."


def _draw(view: View, rows: Sequence[Row]) -> Drawing:
    figure = style.new_figure(5.8, 3.2)
    axes = figure.subplots()
    first, ticks = 0.0, {}
    for own in _by_cell(rows):
        places, bottom = first + np.arange(len(own)), np.zeros(len(own))
        for name in SHARES:
            heights = np.array([row[name] for row in own])
            axes.bar(places, heights, 1.0, bottom, color=COLOURS[name], lw=0, alpha=0.85)
            bottom += heights
        ticks[own[0]["cell"]] = float(places.mean())
        first = places[-1] + 1 + _GAP
    beside = where(view["baselines"], split="ood", rule=rows[0]["rule"], baseline="chance")
    for chance in floats(beside, "rate"):
        axes.axhline(chance, color=style.INK, lw=1, ls=(0, (4, 3)), alpha=0.75)
    axes.set_xticks(list(ticks.values()), list(ticks))
    axes.tick_params("x", length=0)
    axes.grid(visible=False, axis="x")
    axes.set_ylim(0, 1)
    axes.set_xlim(-0.5 - _GAP / 2, first - 0.5 - _GAP / 2)
    axes.set_ylabel("share of judged prompts")
    square = {"ls": "", "marker": "s", "ms": 7}
    words = {KEPT: f"keeps {rows[0]['rule']}", WRONG: "ends wrongly", CUT: "is cut off"}
    legend = {words[name]: square | {"color": COLOURS[name]} for name in SHARES}
    style.write_legend(figure, legend)
    prompts = span([row["prompts"] for row in rows])
    caption = (
        f"One bar per member, {say(view.at)}, n = {len(rows)}: what becomes of the greedy "
        f"completions of {prompts} prompts{describe_length(view.prompt_length('ood'))} out of "
        f"distribution. A completion that has not ended at {view.max_length} symbols is cut off."
    )
    caption += " Dashed: how often chance keeps the rule." if beside.num_rows else ""
    title = f"{view.language}: how completions end, out of distribution"
    return style.finish(figure, view.name("outcomes"), title, caption)
