"""How far behaviour parts among members within ε of the truth, rung by rung, and in one number."""

import dataclasses

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from identjax.query import epsilons, reported, split_by, where
from identjax.report.format import interval, nats
from identjax.report.gather import Source
from identjax.report.table import Row, Table, number, text
from identjax.statistics.identifiability import Index, make_matrix, make_panel, measure_index
from identjax.statistics.intervals import pair_interval

CURVE_FIELDS = (
    "sweep",
    "language",
    "rung",
    "measure",
    "split",
    "scope",
    "value",
    "low",
    "high",
    "members",
    "pairs",
    "infinite",
)
INDEX_FIELDS = (
    "sweep",
    "language",
    "index",
    "low",
    "high",
    "slope_id",
    "slope_ood",
    "residual",
    "residual_low",
    "residual_high",
    "members",
    "rungs",
)


@dataclasses.dataclass(frozen=True)
class Curve:
    """The divergences of the same members at several ε; `index` is None where it is undefined."""

    members: tuple[str, ...]
    rungs: tuple[str, ...]
    rows: tuple[Row, ...]
    index: Index | None


def measure_curve(source: Source, language: str, rung: str | None) -> Curve:
    """Mean divergence over pairs at each ε, by measure, split and scope, with 95% intervals.

    The scope is all pairs, or pairs within one cell (the spread between seeds).
    """
    pairs = where(source.pairwise, language=language)
    members = where(reported(source.members), language=language)
    ids, rungs = choose_members(pairs, members, rung)
    pairs = where(pairs, rung=rungs, member_a=ids, member_b=ids)
    cell_of = dict(zip(members["member_id"].to_pylist(), members["cell"].to_pylist(), strict=True))
    cells = [cell_of[member] for member in ids]
    rows = []
    for rung in rungs:
        here = where(pairs, rung=rung)
        for (measure, split), part in sorted(
            split_by(here, "measure", "split"), key=lambda p: p[0]
        ):
            about = {"rung": rung, "measure": measure, "split": split}
            rows += [about | row for row in _summarise(part, ids, cells)]
    index = measure_index(make_panel(pairs, ids), cells) if ids else None
    defined = index is not None and np.isfinite(index.index.value)
    return Curve(tuple(ids), tuple(rungs), tuple(rows), index if defined else None)


def choose_members(
    pairs: pa.Table, members: pa.Table, rung: str | None
) -> tuple[list[str], list[str]]:
    """Choose the members that are followed, and how far: the same members at every ε.

    Cells that lost more than half of their members before ε = `rung` are left out. The curve ends
    at the smallest ε that at least half of the members of every other cell reached, so that it
    never shows a change of who is compared.
    """
    present = {
        rung: set(part["member_a"].to_pylist()) | set(part["member_b"].to_pylist())
        for (rung,), part in split_by(pairs, "rung")
    }
    rungs = epsilons(present)
    if not rungs:
        return [], []
    begun = [
        set(part["member_id"].to_pylist()) & present[rungs[0]]
        for _, part in split_by(members, "cell")
    ]
    at = rung if rung in rungs else rungs[0]
    followed = [cell for cell in begun if cell and 2 * len(cell & present[at]) >= len(cell)]
    kept = []
    for one in rungs:
        if not all(2 * len(cell & present[one]) >= len(cell) for cell in followed):
            break
        kept.append(one)
    ids = set.union(*followed) if followed else set()
    for one in kept:
        ids &= present[one]
    return sorted(ids), kept


def _summarise(pairs: pa.Table, ids: list[str], cells: list[str]) -> list[Row]:
    values = make_matrix(pairs, ids)
    measured = np.isfinite(values)
    np.fill_diagonal(measured, False)
    infinite = int(pc.sum(pc.is_inf(pairs["value"])).as_py() or 0)
    same = np.array(cells)[:, None] == np.array(cells)[None, :]
    rows = []
    for scope, kept in (("all", measured), ("within", measured & same)):
        if kept.any():
            found = pair_interval(np.where(kept, values, 0), kept, cells)
            pair_count = int((kept | kept.T).sum()) // 2
            row = {"scope": scope, "value": found.value, "low": found.low, "high": found.high}
            rows.append(row | {"members": len(ids), "pairs": pair_count, "infinite": infinite})
    return rows


def tabulate_curves(curves: list[tuple[str, str, Curve]]) -> Table:
    """Put the curves of all languages in one table."""
    rows = [
        {"sweep": sweep, "language": language} | row
        for sweep, language, curve in curves
        for row in curve.rows
    ]
    columns = (text("language", "language"), text("ε", "rung"), number("mean", "value", nats))
    return Table("identifiability", "Identifiability", "", CURVE_FIELDS, columns, tuple(rows))


def tabulate_indices(curves: list[tuple[str, str, Curve]]) -> Table:
    """Put the indices of all languages in one table."""
    rows = []
    for sweep, language, curve in curves:
        if (index := curve.index) is not None:
            row: Row = {"sweep": sweep, "language": language}
            row |= dict(zip(("index", "low", "high", "members"), index.index, strict=True))
            row |= {"slope_id": index.slope_id, "slope_ood": index.slope_ood}
            names = ("residual", "residual_low", "residual_high")
            row |= dict(zip(names, index.residual[:3], strict=True))
            rows.append(row | {"rungs": " ".join(index.rungs)})
    columns = (text("language", "language"), number("index", "index", nats))
    return Table("index", "Identifiability index", "", INDEX_FIELDS, columns, tuple(rows))


def say_index(index: Index) -> str:
    """Put the index in words."""
    found, left = index.index, index.residual
    said = (
        f"Identifiability index {found.value:.2f} {interval(found.low, found.high)}".strip()
        + f" (n = {found.n} members): the slope of log divergence on log ε out of distribution "
        f"({index.slope_ood:.2f}) over that in distribution ({index.slope_id:.2f}). At 1 behaviour "
        "is settled by the loss everywhere alike; at 0 a smaller loss does nothing for it; below "
        "0 members part further. "
        f"At ε = {index.rungs[-1]} the divergence out of distribution is {nats(left.value)} "
        f"{interval(left.low, left.high)}".rstrip()
        + " of the largest that there can be."
    )
    return said.replace("-", "−")
