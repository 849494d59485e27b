"""How the rate of the headline's rule moves with the prompt length and with the cap."""

from collections.abc import Sequence

import numpy as np

from identjax.query import floats, settled, split_by, where
from identjax.report import style
from identjax.report.block import Block, Drawing, block
from identjax.report.format import count, interval, share, span
from identjax.report.table import Column, Row, Table, number, text, whole
from identjax.report.view import View
from identjax.rungs import say
from identjax.schema import schema_of
from identjax.statistics.intervals import SHARES, seed_interval

_MEANS = ("mean", "low", "high", "smallest", "largest", "finished", "rate_finished", "chance")
SCHEMA = schema_of(
    **dict.fromkeys(("sweep", "language", "rung", "rule", "cell"), str),
    **dict.fromkeys(("length", "cap", "n", "prompts"), int),
    **dict.fromkeys(_MEANS, float),
)
BEYOND = (
    "Beyond {cap} symbols members write where no string of training ever was: what they do there "
    "says how much a rate depends on the cut, not what they have learned."
)


@block("sensitivity", SCHEMA, place=330)
def show(view: View) -> Block:
    """Draw and list the rates out of distribution, where members are compared."""
    rows = tabulate(view)
    if not rows:
        return Block(rows=())
    cells = [[row for row in rows if row["cell"] == cell] for cell in _cells(rows)]
    sentences = [sentence for own in cells for sentence in _say_cell(own, view)]
    if any(row["cap"] > view.max_length for row in rows):
        sentences.append(BEYOND.format(cap=view.max_length))
    columns = (
        text("members of", "cell"),
        whole("prompt length", "length"),
        whole("cut off at", "cap"),
        whole("prompts", "prompts"),
        whole("n", "n"),
        Column(
            "keep [95%]", lambda row: f"{share(row['mean'])} {interval(row['low'], row['high'])}"
        ),
        Column("range", lambda row: f"{share(row['smallest'])} to {share(row['largest'])}"),
        number("cut off", "finished", lambda finished: share(1 - finished)),
        number("of those that end", "rate_finished", share),
        number("chance", "chance", share),
    )
    caption = (
        "Mean over members of the share of prompts whose greedy completion ends and keeps "
        f"{rows[0]['rule']}, with a 95% interval over seeds (from 5 on). Both cuts are of the same "
        "completions of the same prompts, those after which the rule can still hold within "
        f"{view.max_length} symbols. Chance is that of the shorter cut."
    )
    table = Table(tuple(rows), columns, caption, folded="The numbers behind this figure")
    title = "How far the rates depend on prompt length and on the cut"
    return Block(title, tuple(sentences), (_draw(view, cells),), tables=(table,))


def tabulate(view: View) -> list[Row]:
    """Summarise each cell at each prompt length and cap."""
    rule = view.finding.rule
    found = where(settled(view.reported("sensitivity")), rung=view.at, split="ood", rule=rule)
    about, rows = view.about | {"rung": view.at, "rule": rule}, []
    for (cell, length, cap), part in split_by(found, "cell", "length", "cap"):
        rates = floats(part, "rate")
        rates = rates[~np.isnan(rates)]
        if not len(rates):
            continue
        row: Row = about | {"cell": cell, "length": length, "cap": cap, "n": len(rates)}
        mean = seed_interval(rates, bounds=SHARES)
        row |= {"mean": mean.value, "low": mean.low, "high": mean.high}
        row |= {"smallest": rates.min(), "largest": rates.max()}
        row["prompts"] = max(part["prompts"].to_pylist())
        for name in ("finished", "rate_finished", "chance"):
            values = floats(part, name)
            known = values[~np.isnan(values)]
            row[name] = float(known.mean()) if len(known) else None
        rows.append(row)
    return sorted(rows, key=lambda row: (row["cell"], row["length"], row["cap"]))


def _cells(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(row["cell"] for row in rows))


def _say_cell(rows: Sequence[Row], view: View) -> list[str]:
    """Say how a cell's rate moves with each of the two, and what could not be asked."""
    cap, rule, cell = view.max_length, rows[0]["rule"], rows[0]["cell"]
    once = [row for row in rows if row["cap"] == cap]
    if not once:
        return []
    first, last = once[0], once[-1]
    text = f"{cell} ({count(first['n'], 'member')}): {rule} is kept on {share(first['mean'])} of "
    text += f"the prompts of {first['length']} symbols"
    if len(once) > 1:
        text += f" and on {share(last['mean'])} of those of {last['length']}"
    further = [row for row in rows if row["cap"] > cap]
    if not further:
        why = "its weights are for strings of that length alone"
        return [f"{text}, cut off at {cap}. It cannot be asked to go on: {why}."]
    usual = view.prompt_length("ood")
    length = usual if usual in {row["length"] for row in further} else further[0]["length"]
    (before,) = (row for row in once if row["length"] == length)
    (after,) = (row for row in further if row["length"] == length)
    return [
        f"{text}, cut off at {cap}. At {length} symbols, {share(before['mean'])} become "
        f"{share(after['mean'])} when completions may go on to {after['cap']}."
    ]


def _draw(view: View, cells: Sequence[Sequence[Row]]) -> Drawing:
    """Draw lines over the prompt length: solid at the usual cut, dashed at twice that."""
    figure = style.new_figure(5.8, 3.4)
    axes = figure.subplots()
    looks, legend = style.looks(view.source.cells), {}
    for own in cells:
        look = looks[own[0]["cell"]]
        for cap in sorted({row["cap"] for row in own}):
            line = [row for row in own if row["cap"] == cap]
            x, mean, low, high = (
                [row[name] for row in line] for name in ("length", "mean", "smallest", "largest")
            )
            usual = cap == view.max_length
            if usual:
                axes.fill_between(x, low, high, color=look.colour, alpha=0.12, lw=0)
            dash = "-" if usual else "--"
            axes.plot(x, mean, ls=dash, color=look.colour, marker=look.marker, ms=5)
            named = {"ls": dash, "marker": look.marker, "ms": 5, "color": look.colour}
            legend[f"{own[0]['cell']}, cut at {cap}"] = named
    chance = {row["length"]: row["chance"] for own in cells for row in own}
    x = sorted(length for length in chance if chance[length] is not None)
    axes.plot(x, [chance[n] for n in x], color=style.INK, lw=1, ls=(0, (4, 3)), alpha=0.75)
    axes.set_xticks(sorted(chance))
    axes.set_ylim(-0.03, 1.03)
    axes.set_xlabel("symbols of the prompt")
    axes.set_ylabel(f"share that keeps {cells[0][0]['rule']}")
    style.write_legend(figure, legend, columns=2)
    rows = [row for own in cells for row in own]
    prompts = span([row["prompts"] for row in rows])
    members = ", ".join(f"{own[0]['cell']} {span([row['n'] for row in own])}" for own in cells)
    caption = (
        f"Mean over members, {say(view.at)}, n = {members}; {prompts} prompts of each length out "
        "of distribution. Shaded: the range over members at the usual cut. Grey dashes: chance."
    )
    title = f"{view.language}: the rate by prompt length and cut"
    return style.finish(figure, view.name("sensitivity"), title, caption)
