"""The members within ε of the truth as one set: how far a choice among them could matter."""

from identjax.query import floats, split_by, where
from identjax.report.block import Block, block
from identjax.report.format import SPLITS, nats, share
from identjax.report.table import Column, Row, Table, number, text, whole
from identjax.report.view import View
from identjax.rungs import order
from identjax.schema import schema_of

MEASURES = ("ambiguity", "discrepancy", "capacity")
KEYS = ("rung", "split", "scope")
SCHEMA = schema_of(
    **dict.fromkeys(("sweep", "language", *KEYS), str),
    members=int,
    **dict.fromkeys(MEASURES, float),
)
GROWTH = schema_of(
    **dict.fromkeys(("sweep", "language", *KEYS, "measure"), str), size=int, value=float
)
SEEDS = schema_of(
    **dict.fromkeys(("sweep", "language", "rung", "split", "rule", "cell"), str),
    members=int,
    **dict.fromkeys(("mean", "deviation", "half_width"), float),
    seeds=int,
)


@block("sets", SCHEMA, place=600)
def show(view: View) -> Block:
    """Lay the measures of each set side by side, at the rung where members are compared."""
    rows = sorted(tabulate(view), key=lambda row: (order(row["rung"]), row["split"]))
    here = tuple(row for row in rows if row["rung"] == view.at)
    if not here:
        return Block(rows=tuple(rows))
    caption = (
        "Ambiguity: share of prompts on which not all members complete alike. Discrepancy: share "
        "on which the one member that differs most completes otherwise than the one nearest to the "
        "truth. Capacity: nats that a next token can tell of its member, mean over prompts. All "
        "three are lower bounds of what every model within ε could show: more members show more."
    )
    columns = (
        Column("prompts", lambda row: str(SPLITS.get(row["split"], row["split"])), number=False),
        text("members of", "scope"),
        whole("n", "members"),
        *(number(name, name, share) for name in MEASURES[:2]),
        number(MEASURES[2], MEASURES[2], nats),
    )
    table = Table(here, columns, caption)
    return Block("Members within ε as one set", tables=(table,), rows=tuple(rows))


@block("growth", GROWTH, place=601)
def show_growth(view: View) -> Block:
    """Lay what fewer members would have shown side by side."""
    rows = _rows(view, "growth")
    sizes = sorted({row["size"] for row in rows if row["rung"] == view.at})
    lines: dict[tuple[str, str], Row] = {}
    for row in rows:
        if row["rung"] == view.at:
            place = lines.setdefault((row["measure"], row["scope"]), {})
            place |= {"measure": row["measure"], "scope": row["scope"]}
            place[str(row["size"])] = row["value"]
    if not lines:
        return Block(rows=rows)
    caption = (
        "Out of distribution: the mean over all sets of n of these members, exact. What still "
        "grows at the right end would grow further with more members."
    )
    columns = (text("of", "scope"), *map(_of_size, sizes))
    ordered = tuple(sorted(lines.values(), key=lambda row: row["measure"]))
    table = Table(ordered, columns, caption, lambda row: str(row["measure"]))
    return Block("What fewer members would have shown", tables=(table,), rows=rows)


@block("seeds", SEEDS, place=602)
def show_seeds(view: View) -> Block:
    """Say how many seeds an interval of a given width takes."""
    rows = _rows(view, "seeds")
    lines: dict[str, Row] = {}
    for row in rows:
        if row["rung"] == view.at:
            lines.setdefault(row["cell"], dict(row))[f"± {row['half_width']:g}"] = row["seeds"]
    if not lines:
        few = "How many seeds an interval would take is not said: no cell has five members here."
        return Block(sentences=(few,) if view["rules"].num_rows else (), rows=rows)
    widths = sorted({f"± {row['half_width']:g}" for row in rows}, reverse=True)
    rule = next(iter(lines.values()))["rule"]
    caption = (
        f"Seeds for which the 95% interval of the mean {rule} rate out of distribution would be so "
        "wide to each side on average, if they are spread as the members here are. It is the "
        "interval that this page prints, which assumes nothing but that rates lie between 0 and 1; "
        "the spread itself is known only as well as n members show it."
    )
    columns = (
        text("cell", "cell"),
        whole("n", "members"),
        number("mean", "mean", share),
        number("standard deviation", "deviation", share),
        *(whole(f"for {width}", width) for width in widths),
    )
    table = Table(tuple(lines.values()), columns, caption)
    return Block("How many seeds", tables=(table,), rows=rows)


def tabulate(view: View) -> list[Row]:
    """Put the measures of each set in one row."""
    rows = []
    for key, part in split_by(where(view["sets"], measure=MEASURES), *KEYS):
        found = dict(zip(part["measure"].to_pylist(), floats(part, "value").tolist(), strict=True))
        row = view.about | dict(zip(KEYS, key, strict=True))
        row["members"] = max(part["members"].to_pylist())
        rows.append(row | {name: found.get(name) for name in MEASURES})
    return rows


def _of_size(size: int) -> Column:
    return Column(f"n = {size}", lambda row: share(row[str(size)]) if str(size) in row else "")


def _rows(view: View, name: str) -> tuple[Row, ...]:
    kept = view[name].drop_columns(["max_length", "language_options"])
    rows = (view.about | row | view.about for row in kept.to_pylist())
    return tuple(sorted(rows, key=lambda row: order(row["rung"])))
