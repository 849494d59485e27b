"""Which simple law the members of each cell are nearest to on impossible prompts."""

import itertools
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from identjax.query import floats, pairs_of, settled, split_by, where
from identjax.report import style
from identjax.report.block import Block, Drawing, block
from identjax.report.format import count, describe_length, nats
from identjax.report.table import Column, Row, Table, text
from identjax.report.view import View
from identjax.rungs import say
from identjax.schema import schema_of
from identjax.statistics.intervals import seed_interval

WORDS = {
    "chance": "chance",
    "eos_now": "EOS now",
    "noise": "lengths alone",
    "order_0": "how often each symbol comes",
    "order_1": "the last symbol",
}
_NUMBERS = [f"{gap}{end}" for gap in ("js", "kl") for end in ("", "_low", "_high")]
SCHEMA = schema_of(
    **dict.fromkeys(("sweep", "language", "rung", "cell", "baseline"), str),
    n=int,
    nearest_of=int,
    **dict.fromkeys((*_NUMBERS, "within"), float),
    prompts=int,
    defined=int,
)


@block("nearest", SCHEMA, place=320)
def show(view: View) -> Block:
    """Rank the laws for each cell, at the rung where members are compared."""
    found = where(settled(view.reported("nearest")), rung=view.at, split="ood")
    rows = tabulate(view, found)
    ranked = [row for row in rows if row["js"] is not None]
    if not ranked:
        return Block(rows=tuple(rows))
    cells = [list(own) for _, own in itertools.groupby(ranked, lambda row: row["cell"])]
    sentences = [*map(_say_nearest, cells), *_say_undefined(rows)]
    caption = (
        "The Jensen–Shannon divergence (JS; 0: the same law, log 2 = 0.69: nothing in common) of a "
        "member's law of the next token from each simple law, mean over prompts and then over "
        "members, with a 95% interval over seeds (from 5 on). KL is KL(simple law‖member), in nats "
        "too; it weighs most the prompts on which a member rules out what the simple law does. "
        "“Nearest of” counts the members to whom this law is the nearest in JS. “Chance” gives all "
        "symbols and the end mark alike. “The last k symbols” is what the truth gives where only "
        "those are known. “Lengths alone” makes all strings of a length alike, with lengths as the "
        "truth has them; “lengths and R1” does so among the strings that keep R1."
    )
    columns = (
        text("law", "baseline"),
        Column("JS [95%]", lambda row: _with_interval(row, "js")),
        Column("KL [95%]", lambda row: _with_interval(row, "kl")),
        Column("nearest of", lambda row: f"{row['nearest_of']} of {row['n']}"),
    )
    told = tuple(row | {"baseline": name_law(row["baseline"])} for row in ranked)
    table = Table(told, columns, caption, lambda row: str(row["cell"]))
    title = "Which simple law is nearest on impossible prompts"
    drawing = _draw(view, cells)
    return Block(title, tuple(sentences), (drawing,), tables=(table,), rows=tuple(rows))


def name_law(baseline: str) -> str:
    """Say what a law is.

    >>> name_law("order_3"), name_law("noise_R1"), name_law("chance")
    ('the last 3 symbols', 'lengths and R1', 'chance')
    """
    kind, _, which = baseline.partition("_")
    if baseline in WORDS:
        return WORDS[baseline]
    return f"the last {which} symbols" if kind == "order" else f"lengths and {which}"


def tabulate(view: View, found: pa.Table) -> list[Row]:
    """Summarise each law for each cell, the nearest first; laws that say nothing come last."""
    within, rows = _measure_within(view), []
    for (cell,), of_cell in sorted(split_by(found, "cell"), key=lambda item: item[0]):
        wins = _count_wins(of_cell)
        about = view.about | {"rung": view.at, "cell": cell, "within": within.get(cell)}
        own = [
            about
            | {"baseline": baseline, "n": part.num_rows, "nearest_of": wins.get(baseline, 0)}
            | {name: max(part[name].to_pylist()) for name in ("prompts", "defined")}
            | _summarise(part, "js")
            | _summarise(part, "kl")
            for (baseline,), part in split_by(of_cell, "baseline")
        ]
        rows += sorted(own, key=lambda row: (row["js"] is None, row["js"], row["baseline"]))
    return rows


def _summarise(part: pa.Table, gap: str) -> Row:
    values = floats(part, gap)
    names = gap, f"{gap}_low", f"{gap}_high"
    if not np.isfinite(values).all():
        return dict.fromkeys(names)
    found = seed_interval(values, bounds=(0.0, float(np.log(2)) if gap == "js" else np.inf))
    return dict(zip(names, (found.value, found.low, found.high), strict=True))


def _count_wins(of_cell: pa.Table) -> dict[str, int]:
    """Count the members to whom each law is the nearest."""
    wins: dict[str, int] = {}
    for _, part in split_by(of_cell, "member_id"):
        gaps = floats(part, "js")
        if not np.isnan(gaps).all():
            nearest = part["baseline"][int(np.nanargmin(gaps))].as_py()
            wins[nearest] = wins.get(nearest, 0) + 1
    return wins


def _measure_within(view: View) -> dict[str, float]:
    """Mean JS between two members of each cell, on the same kind of prompts."""
    cell_of = pairs_of(view["members"], "member_id", "cell")
    pairs = where(view["pairwise"], rung=view.at, split="ood", measure="js_next")
    gaps: dict[str, list[float]] = {}
    sides = (pairs[f"member_{side}"].to_pylist() for side in "ab")
    for a, b, value in zip(*sides, floats(pairs, "value").tolist(), strict=True):
        if cell_of[a] == cell_of[b]:
            gaps.setdefault(cell_of[a], []).append(value)
    return {cell: float(np.mean(values)) for cell, values in gaps.items()}


def _say_nearest(rows: Sequence[Row]) -> str:
    first, *others = rows
    text = (
        f"{first['cell']} ({count(first['n'], 'member')}): the nearest is {_tell(first)}, which is "
        f"so for {first['nearest_of']} of them"
    )
    text += f"; then {_tell(others[0])}" if others else ""
    if first["within"] is None:
        return f"{text}."
    apart = f"two members of this cell are {nats(first['within'])} apart on average"
    if first["within"] < first["js"]:
        return f"{text}. That explains little: {apart}, less than from any of these laws."
    return f"{text}; {apart}."


def _tell(row: Row) -> str:
    return f"{name_law(row['baseline'])} (JS {_with_interval(row, 'js')})"


def _say_undefined(rows: Sequence[Row]) -> list[str]:
    """Say which laws are not compared, and on how many prompts they say something at all."""
    lost = {row["baseline"]: row for row in rows if row["js"] is None and not row["kl"]}
    asked = max((row["defined"] for row in rows), default=0)
    return [
        f"“{name_law(name)}” is not compared: it says something on {row['defined']} of "
        f"{count(asked, 'prompt')}, since elsewhere its rule can no longer hold; the others are "
        f"compared on {row['prompts']}."
        for name, row in sorted(lost.items())
    ]


def _with_interval(row: Row, gap: str) -> str:
    low, high = row[f"{gap}_low"], row[f"{gap}_high"]
    ends = "" if low is None or np.isnan(low) else f" [{nats(low)}, {nats(high)}]"
    return "∞" if row[gap] is None else f"{nats(row[gap])}{ends}"


def _draw(view: View, cells: Sequence[Sequence[Row]]) -> Drawing:
    """Draw one line per law, the nearest of the first cell on top, and a mark for each cell."""
    laws = [row["baseline"] for row in cells[0]]
    laws += sorted({row["baseline"] for own in cells for row in own} - set(laws))
    looks = style.looks(view.source.cells)
    figure = style.new_figure(5.8, 0.9 + 0.32 * len(laws))
    axes = figure.subplots()
    shift = np.linspace(-0.18, 0.18, len(cells)) if len(cells) > 1 else np.zeros(1)
    for own, offset in zip(cells, shift, strict=True):
        look = looks[own[0]["cell"]]
        for row in own:
            place = len(laws) - 1 - laws.index(row["baseline"]) - offset
            axes.plot([row["js_low"], row["js_high"]], [place] * 2, color=look.colour, lw=2)
            axes.plot(row["js"], place, look.marker, color=look.colour, mec=style.INK, ms=6)
        if (within := own[0]["within"]) is not None:
            axes.axvline(within, color=look.colour, lw=1, ls=(0, (1, 2)))
    axes.set_yticks(range(len(laws)), [name_law(name) for name in reversed(laws)])
    axes.set_ylim(-0.6, len(laws) - 0.4)
    axes.set_xlim(0, float(np.log(2)))
    axes.set_xlabel("JS of the next token to this law, nats")
    axes.grid(visible=False, axis="y")
    style.write_legend(figure, {own[0]["cell"]: looks[own[0]["cell"]].mark for own in cells})
    rows = [own[0] for own in cells]
    members = ", ".join(f"{row['cell']} {row['n']}" for row in rows)
    asked = f"{rows[0]['prompts']} prompts{describe_length(view.prompt_length('ood'))}"
    caption = (
        f"Mean over {asked} out of distribution and over members, {say(view.at)}, n = {members}, "
        "with 95% intervals over seeds. Dotted: how far apart two members of the same cell are. "
        "The axis ends at log 2."
    )
    title = f"{view.language}: the nearest simple law on impossible prompts"
    return style.finish(figure, view.name("nearest"), title, caption)
