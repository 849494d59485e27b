"""How far members are apart at each ε, on the support and off it, and how fast that changes.

Axes: M member.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from identjax import rungs
from identjax.evaluation.cells import name_cells
from identjax.evaluation.measure import AtSweep, Found, measure
from identjax.evaluation.pair_tables import make_matrix, members_of
from identjax.query import Floats, pairs_of, split_by, where
from identjax.schema import TRUTH, schema_of
from identjax.statistics.intervals import Bounds, pair_interval
from identjax.statistics.slopes import pair_slope

ALL, WITHIN, BETWEEN = "all", "within", "between"
FOLLOWED, PRESENT, MATCHED = "followed", "present", "matched"
# What is compared on each split: along strings of the truth on the support, at prompts off it.
CURVES = (
    ("js_seq", "id"),
    ("js_next", "ood"),
    ("churn", "id"),
    ("churn", "ood"),
    ("tv_next", "ood"),
)
# Members of a matched pair are as far from the truth as each other, within this factor.
FACTOR = 1.25
_PLACE = {**TRUTH, "rung": str, "split": str, "measure": str, "scope": str, "who": str}
TABLES = {
    "curve": schema_of(
        **_PLACE,
        **dict.fromkeys(("value", "low", "high"), float),
        **dict.fromkeys(("members", "pairs", "infinite"), int),
        **dict.fromkeys(("kl_nats", "ceiling"), float),
    ),
    "slopes": schema_of(
        **TRUTH,
        **dict.fromkeys(("split", "measure", "scope"), str),
        **dict.fromkeys(("slope", "low", "high"), float),
        **dict.fromkeys(("members", "pairs"), int),
        rungs=str,
    ),
    "reached": schema_of(
        **TRUTH,
        rung=str,
        cell=str,
        **dict.fromkeys(("members", "reached", "followed"), int),
        **dict.fromkeys(("kl_min", "kl_median", "kl_max"), float),
        missing=str,
    ),
}
Kls = Mapping[str, Mapping[str, float]]


class Followed(NamedTuple):
    """The members that have every rung of the curve, and these rungs."""

    ids: list[str]
    rungs: list[str]


class AtEpsilon(NamedTuple):
    """The members that were compared at a rung, with their cells and KLs in order of their ids."""

    ids: list[str]
    cells: np.ndarray
    kl_M: Floats
    pairs: pa.Table


@measure("curve", TABLES, needs="sweep")
def measure_curve(at: AtSweep) -> Found:
    """Mean divergence of pairs at every ε, its slope on the KL, and who is behind each number.

    Members that served to select something do not count. A scope is all pairs, those within cells
    or those between cells. "followed" are the same members at every ε, "present" all that were
    compared at one, and "matched" those pairs of them that have the same KL within a factor.
    """
    names = dict(zip([m["member_id"] for m in at.members], name_cells(at.members), strict=True))
    chosen = {m["member_id"] for m in at.members if m["role"] == "report"} or {*names}
    cell_of = {member: names[member] for member in sorted(chosen)}
    pairs = where(at.table("pairwise"), member_a=cell_of, member_b=cell_of)
    by_rung = {rung: part for (rung,), part in split_by(pairs, "rung")}
    kls = {
        rung: pairs_of(part, "member_id", "kl_nats")
        for (rung,), part in split_by(where(at.table("likelihood"), member_id=cell_of), "rung")
    }
    present = {
        rung: members_of(by_rung[rung]) & kls.get(rung, {}).keys()
        for rung in rungs.epsilons(by_rung)
    }
    target = rungs.find_compared([rung for rung, own in kls.items() for _ in own], len(cell_of))
    followed = follow(present, cell_of, target)
    steps = {
        rung: _look(by_rung[rung], sorted(ids), cell_of, kls[rung]) for rung, ids in present.items()
    }
    return {
        "curve": [row for rung, step in steps.items() for row in _list_rung(rung, step, followed)],
        "slopes": list(_fit(steps, followed)),
        "reached": list(_count(kls, cell_of, followed)),
    }


def follow(
    present: Mapping[str, Set[str]], cell_of: Mapping[str, str], target: str | None
) -> Followed:
    """Choose the members that are followed, and how far: the same members at every ε.

    Cells that lost more than half of their members before ε = `target` are left out. The curve
    ends at the smallest ε that at least half of the members of every other cell reached, so that
    it never shows a change of who is compared.
    """
    every = list(present)
    if not every:
        return Followed([], [])
    begun: dict[str, set[str]] = {}
    for member in present[every[0]]:
        begun.setdefault(cell_of[member], set()).add(member)

    def half_reached(rung: str, cells: Sequence[set[str]]) -> list[set[str]]:
        return [cell for cell in cells if 2 * len(cell & present[rung]) >= len(cell)]

    first = target if target in every else every[0]
    kept = half_reached(first, list(begun.values()))
    shown = list(itertools.takewhile(lambda rung: half_reached(rung, kept) == kept, every))
    ids = set[str]().union(*kept).intersection(*(present[rung] for rung in shown))
    return Followed(sorted(ids), shown)


def _look(
    pairs: pa.Table, ids: list[str], cell_of: Mapping[str, str], kl: Mapping[str, float]
) -> AtEpsilon:
    cells = np.array([cell_of[member] for member in ids])
    return AtEpsilon(ids, cells, np.array([kl[member] for member in ids]), pairs)


def _list_rung(rung: str, at: AtEpsilon, followed: Followed) -> Iterator[dict[str, Any]]:
    """List the mean divergence at a rung for everyone who is meant, in every scope."""
    apart = ~np.eye(len(at.ids), dtype=bool)
    ours = np.isin(at.ids, followed.ids if rung in followed.rungs else [])
    high = np.maximum.outer(at.kl_M, at.kl_M)
    who = {
        FOLLOWED: apart & np.outer(ours, ours),
        PRESENT: apart,
        MATCHED: apart & (high <= FACTOR * np.minimum.outer(at.kl_M, at.kl_M)),
    }
    scopes = _scopes(at.cells)
    for name, split in CURVES:
        values = make_matrix(where(at.pairs, measure=name, split=split), at.ids)
        bounds = bounds_of(name, float(rung))
        about = {"rung": rung, "split": split, "measure": name, "ceiling": bounds[1]}
        known: dict[bytes, dict[str, Any]] = {}
        for whose, scope in itertools.product(who, scopes):
            kept = who[whose] & scopes[scope] & ~np.isnan(values)
            if kept.any():
                key = kept.tobytes()  # often the same pairs are meant
                known[key] = known.get(key) or _summarise(values, kept, at.kl_M, bounds)
                yield about | {"who": whose, "scope": scope} | known[key]


def bounds_of(measure: str, epsilon: float) -> Bounds:
    """Between what a measure lies for two members whose KL to the truth is below ε.

    Along strings of the truth JS is at most ln 2·(KL_a + KL_b), in nats per sequence: √JS is a
    metric, hence JS(a, b) ≤ 2 JS(a, p) + 2 JS(p, b), and JS(p, a) ≤ ½ ln 2·KL(p‖a), as its ratio
    to KL is largest where a has what p has not. Off the support nothing holds it below log 2.

    >>> bounds_of("churn", 0.1), round(bounds_of("js_seq", 0.1)[1], 4)
    ((0.0, 1.0), 0.1386)
    """
    tops = {"js_seq": 2 * np.log(2) * epsilon, "js_next": np.log(2)}
    return 0.0, float(tops.get(measure, 1.0))


def _scopes(cells: np.ndarray) -> dict[str, np.ndarray]:
    same = cells[:, None] == cells[None, :]
    return {ALL: np.ones_like(same), WITHIN: same, BETWEEN: ~same}


def _summarise(values: Floats, kept: np.ndarray, kl_M: Floats, bounds: Bounds) -> dict[str, Any]:
    finite = kept & np.isfinite(values)
    about = {"pairs": int(finite.sum()) // 2, "infinite": int((kept & ~finite).sum()) // 2}
    if not finite.any():
        nothing = dict.fromkeys(("value", "low", "high", "kl_nats"), np.nan)
        return about | nothing | {"members": 0}
    found = pair_interval(np.where(finite, values, 0), finite, bounds)
    ends = {"value": found.value, "low": found.low, "high": found.high, "members": found.n}
    # The KL of a pair is the mean of its two members'.
    return about | ends | {"kl_nats": float((finite.sum(1) * kl_M).sum() / finite.sum())}


def _fit(steps: Mapping[str, AtEpsilon], followed: Followed) -> Iterator[dict[str, Any]]:
    """Fit the slope of every measure in every scope, over the members that are followed."""
    rungs_K, ids = followed.rungs, followed.ids
    if len(ids) < 2:
        return
    rows = {rung: np.searchsorted(steps[rung].ids, ids) for rung in rungs_K}
    kl_KxM = np.stack([steps[rung].kl_M[rows[rung]] for rung in rungs_K])
    cells = steps[rungs_K[0]].cells[rows[rungs_K[0]]]
    for name, split in CURVES:
        parts = [where(steps[rung].pairs, measure=name, split=split) for rung in rungs_K]
        apart_KxMxM = np.stack([make_matrix(part, ids) for part in parts])
        measured = np.isfinite(apart_KxMxM).all(0) & ~np.eye(len(ids), dtype=bool)
        for scope, meant in _scopes(cells).items():
            kept = measured & meant
            found = pair_slope(np.where(kept, apart_KxMxM, 0), kl_KxM, kept, list(cells))
            if np.isfinite(found.value):
                ends = {"slope": found.value, "low": found.low, "high": found.high}
                about = {"split": split, "measure": name, "scope": scope, "members": found.n}
                yield about | ends | {"pairs": int(kept.sum()) // 2, "rungs": " ".join(rungs_K)}


def _count(kls: Kls, cell_of: Mapping[str, str], followed: Followed) -> Iterator[dict[str, Any]]:
    """Count who reached each rung, cell by cell, how near those are, and who is missing."""
    for rung in rungs.epsilons(kls):
        for cell in sorted(set(cell_of.values())):
            own = [member for member, name in cell_of.items() if name == cell]
            there = [member for member in own if member in kls[rung]]
            kl = [kls[rung][member] for member in there] or [np.nan]
            low, middle, high = (float(end) for end in np.quantile(kl, (0, 0.5, 1)))
            yield {
                "rung": rung,
                "cell": cell,
                "members": len(own),
                "reached": len(there),
                "followed": len({*there} & {*followed.ids}) if rung in followed.rungs else 0,
                "kl_min": low,
                "kl_median": middle,
                "kl_max": high,
                "missing": " ".join(sorted({*own} - {*there})),
            }
