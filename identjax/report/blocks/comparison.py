"""Several sweeps side by side: the same cell, rule and prompts in each, at equal ε."""

import itertools
from collections.abc import Sequence

import numpy as np

from identjax.query import floats, reported, settled, split_by
from identjax.report.block import Block, block
from identjax.report.blocks.rules import KEYS
from identjax.report.format import SPLITS, interval, share
from identjax.report.gather import CELL, SEEDS, Source
from identjax.report.table import Column, Row, Table, number, occurs, text
from identjax.report.view import View
from identjax.rungs import FINAL, epsilons, is_step, say
from identjax.schema import schema_of
from identjax.statistics.intervals import SHARES, adjust_holm, contrast_paired, contrast_unpaired

_SIDE = {"sweep": str, "mean": float, "n": int}
SCHEMA = schema_of(
    **dict.fromkeys(KEYS, str),
    **{f"{name}_{which}": kind for which in "ab" for name, kind in _SIDE.items()},
    paired=bool,
    **dict.fromkeys(("difference", "low", "high", "p_value", "p_holm"), float),
)


@block("comparison", SCHEMA, place=-100, of="page")
def show(views: Sequence[View]) -> Block | None:
    """Contrast every two sweeps in what both have; None where there is only one."""
    sources = list(dict.fromkeys(view.source for view in views))
    if len(sources) < 2:
        return None
    rows = [row for a, b in itertools.combinations(sources, 2) for row in _contrast(a, b)]
    if not rows:
        return Block("Comparison", ("The sweeps have no cell in common.",), rows=())
    tested = [row for row in rows if row["p_value"] is not None]
    for row, adjusted in zip(tested, adjust_holm([r["p_value"] for r in tested]), strict=True):
        row["p_holm"] = adjusted
    caption = (
        "Difference of the mean rates (second minus first), with a 95% interval over seeds from "
        "five on; “paired” where both sweeps have the same seeds. p is that of a permutation test "
        "(paired: of signs), after Holm's adjustment over the whole table; intervals are not "
        "corrected for how many there are. At the smallest ε of both."
    )
    return Block("Comparison", tables=(Table(tuple(rows), _COLUMNS, caption, _heading),))


def _contrast(a: Source, b: Source) -> list[Row]:
    rows = []
    ours, theirs = (_gather_rates(source) for source in (a, b))
    both = sorted(ours.keys() & theirs.keys())
    for key in both:
        shared = epsilons(rung for *cell, rung, _, _ in both if tuple(cell) == key[: len(CELL)])
        if key[len(CELL)] != (shared[-1] if shared else FINAL):
            continue
        about = dict(zip(KEYS, key, strict=True))
        rows.append(about | _compare(a.name, ours[key], b.name, theirs[key]))
    return sorted(rows, key=lambda r: (r["language"], _SPLITS.index(r["split"]), r["rule"]))


# Where behaviour is left open comes first.
_SPLITS = ("ood", "id")
Rates = dict[tuple[int, ...], list[float]]


def _gather_rates(source: Source) -> dict[tuple[str, ...], Rates]:
    """Collect the rates of every cell, rung, split and rule, by the seeds of the members."""
    members = source.tables["members"].select(["member_id", *SEEDS]).to_pylist()
    seeds = {row["member_id"]: tuple(row[name] for name in SEEDS) for row in members}
    found: dict[tuple[str, ...], Rates] = {}
    for key, part in split_by(settled(reported(source.tables["rules"])), *KEYS):
        rung, split = key[len(CELL) : len(CELL) + 2]
        if is_step(rung) or split not in _SPLITS:
            continue
        rates: Rates = {}
        for member, rate in zip(part["member_id"].to_pylist(), floats(part, "rate"), strict=True):
            if not np.isnan(rate):
                rates.setdefault(seeds[member], []).append(float(rate))
        if rates:
            found[key] = rates
    return found


def _compare(name_a: str, a: Rates, name_b: str, b: Rates) -> Row:
    values_a, values_b = (list(itertools.chain(*one.values())) for one in (a, b))
    once = all(len(own) == 1 for own in (*a.values(), *b.values()))
    paired = once and a.keys() == b.keys()
    low, high, p_value = None, None, None
    if min(len(values_a), len(values_b)) > 1 and len({*values_a, *values_b}) > 1:
        if paired:
            first, second = ([one[s][0] for s in sorted(a)] for one in (a, b))
            found = contrast_paired(second, first, SHARES)
        else:
            found = contrast_unpaired(values_b, values_a, SHARES)
        (_, low, high, _), p_value = found
    means = [float(np.mean(values)) for values in (values_a, values_b)]
    row: Row = {"paired": paired, "low": low, "high": high, "p_value": p_value, "p_holm": None}
    row |= {"sweep_a": name_a, "mean_a": means[0], "n_a": len(values_a)}
    row |= {"sweep_b": name_b, "mean_b": means[1], "n_b": len(values_b)}
    return row | {"difference": float(np.mean(values_b) - np.mean(values_a))}


def _heading(row: Row) -> str:
    split = SPLITS.get(row["split"], row["split"])
    return f"{row['language']}: {row['rule']} {split}"


def _difference(row: Row) -> str:
    found = f"{row['difference']:+.2f} {interval(row['low'], row['high'])}".strip()
    return f"{found} paired" if row["paired"] and row["p_value"] is not None else found


def _p_value(value: float | None) -> str:
    if value is None:
        return ""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


_COLUMNS = (
    *(text(name, name) for name in CELL[1:-1]),
    text(CELL[-1], CELL[-1], needed=occurs(CELL[-1])),
    Column("snapshot", lambda row: say(row["rung"]), number=False),
    Column("first", lambda row: f"{row['sweep_a']} {share(row['mean_a'])} (n = {row['n_a']})"),
    Column("second", lambda row: f"{row['sweep_b']} {share(row['mean_b'])} (n = {row['n_b']})"),
    Column("difference [95%]", _difference),
    number("p", "p_holm", _p_value),
)
