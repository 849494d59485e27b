"""What explains behaviour: variance over architecture, optimizer, swept fields and seeds.

Axes: N member, P column of a design.
"""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from identjax.statistics.intervals import Array, Interval, bca_interval

COVARIATE, RESIDUAL = "log KL to the truth", "residual"
FEWEST_SEEDS = 4
Rows = npt.NDArray[np.int64]
# The columns [N, P] of a linear model, by source.
Terms = Mapping[str, Array]


class Share(NamedTuple):
    """One source of variance: its share of the total, corrected for chance, with an interval.

    `note` says what else is in it. `freedom` counts its parameters.
    """

    source: str
    share: Interval
    raw: float
    freedom: int
    note: str


def decompose_variance(
    values: npt.ArrayLike,
    members: Sequence[Mapping[str, object]],
    factors: Sequence[str],
    seeds: Sequence[str],
    kl_nats: npt.ArrayLike | None = None,
    resamples: int = 200,
) -> list[Share]:
    """Split the variance of one number per member over the factors that vary among the members.

    A linear model holds log KL as covariate, the factors, and each of the `seeds` within its cell
    (the members that share all factors), because seed 0 of one architecture has nothing to do
    with seed 0 of another. For a source with sum of squares SS on f degrees of freedom, given all
    other sources (for factors: all others but the seeds), the share is
    ω² = (SS − f·MS_residual)/(SS_total + MS_residual), the raw share SS/SS_total; ω² may fall
    below 0 where there is nothing; for the residual it is (n−1)·MS_residual over the same. A seed
    that has no replicates goes into the residual, which says so. Shares of a balanced design
    add up to about 1. Intervals are BCa over the first of the seeds, resampled within cells with
    all members that share it; there is none below four per cell.
    """
    aliases = find_factors(members, factors)
    cells = ["|".join(str(row[f]) for f in aliases) for row in members]
    design = _make_design(values, kl_nats, members, list(aliases), seeds, cells)
    clusters = design.seeds[seeds[0]][1]
    point, confounded = design.measure(np.arange(len(cells)), clusters)
    # A member drawn twice is no replicate of a seed that has none.
    kept = {name: labels for name, labels in design.seeds.items() if name not in confounded}
    design = dataclasses.replace(design, seeds=kept)
    intervals = _resample(design, clusters, cells, point, resamples)
    notes = {name: f"with {', '.join(others)}" for name, others in aliases.items() if others}
    notes |= {RESIDUAL: f"holds {', '.join(confounded)}"} if confounded else {}
    return [
        Share(name, intervals[name], found.raw, found.freedom, notes.get(name, ""))
        for name, found in point.items()
    ]


def find_factors(
    members: Sequence[Mapping[str, object]], factors: Sequence[str]
) -> dict[str, list[str]]:
    """Keep the factors that vary, each with those that it settles.

    >>> rows = [{"a": 1, "b": "x", "c": 0}, {"a": 2, "b": "y", "c": 0}]
    >>> find_factors(rows, ["a", "b", "c"])
    {'a': ['b']}
    """
    kept: dict[str, list[str]] = {}
    aliases: dict[str, list[str]] = {}
    for name in factors:
        labels = [str(row[name]) for row in members]
        if len(set(labels)) < 2:
            continue
        for earlier, its in kept.items():
            if len(set(zip(its, labels, strict=True))) == len(set(its)):
                aliases[earlier].append(name)
                break
        else:
            kept[name], aliases[name] = labels, []
    return aliases


class _Found(NamedTuple):
    share: float
    raw: float
    freedom: int


_NOTHING = _Found(np.nan, np.nan, 0)


@dataclasses.dataclass(frozen=True)
class _Design:
    """Everything that linear models are made of, so that they can be made for any rows.

    Labels are numbers [N]. A seed has two: its own, and those within its cell.
    """

    y: Array
    log_kl: Array | None
    factors: Mapping[str, Rows]
    seeds: Mapping[str, tuple[Rows, Rows]]
    clustered: str

    def measure(self, rows: Rows, copies: Rows) -> tuple[dict[str, _Found], list[str]]:
        """Give what each source explains among some rows, and the seeds that are left out."""
        y, main = self.y[rows], self._main_terms(rows)
        terms, confounded = self._add_seeds(rows, copies, main)
        total = float(((y - y.mean()) ** 2).sum()) or np.nan
        residual, left = _residual(y, terms)
        scale = residual / left if left else 0.0
        found = {}
        for name, columns in terms.items():
            others = {k: term for k, term in (main if name in main else terms).items() if k != name}
            without, left_without = _residual(y, others)
            within, left_within = _residual(y, others | {name: columns})
            freedom, explained = left_without - left_within, without - within
            share = (explained - freedom * scale) / (total + scale)
            found[name] = _Found(share, explained / total, freedom)
        found[RESIDUAL] = _Found((len(y) - 1) * scale / (total + scale), residual / total, left)
        return found, confounded

    def _main_terms(self, rows: Rows) -> Terms:
        terms = {}
        if self.log_kl is not None and np.ptp(self.log_kl[rows]) > 0:
            terms[COVARIATE] = self.log_kl[rows][:, None]
        return terms | {name: _indicators(labels[rows]) for name, labels in self.factors.items()}

    def _add_seeds(self, rows: Rows, copies: Rows, main: Terms) -> tuple[Terms, list[str]]:
        """Add seeds within cells, as long as they leave something to measure the rest by."""
        terms, confounded = dict(main), []
        for name, (own, within) in self.seeds.items():
            if len(np.unique(own[rows])) < 2:
                continue
            # Copies of a cluster count as seeds of their own; as text, they keep their old order.
            labels = copies.astype(str) if name == self.clustered else within[rows]
            with_it = terms | {name: _indicators(labels)}
            _, left = _residual(self.y[rows], with_it)
            _, before = _residual(self.y[rows], terms)
            if len(np.unique(labels)) < len(rows) and 0 < left < before:
                terms = with_it
            else:
                confounded.append(name)
        return terms, confounded


def _make_design(
    values: npt.ArrayLike,
    kl_nats: npt.ArrayLike | None,
    members: Sequence[Mapping[str, object]],
    factors: Sequence[str],
    seeds: Sequence[str],
    cells: Sequence[str],
) -> _Design:
    """Number the labels of all members."""
    log_kl = None if kl_nats is None else np.log(np.maximum(np.asarray(kl_nats), 1e-9))
    own = {name: [str(row.get(name)) for row in members] for name in (*factors, *seeds)}
    within = {s: [f"{c}|{one}" for c, one in zip(cells, own[s], strict=True)] for s in seeds}
    by_factor = {name: _number(own[name]) for name in factors}
    by_seed = {name: (_number(own[name]), _number(within[name])) for name in seeds}
    return _Design(np.asarray(values, np.float64), log_kl, by_factor, by_seed, seeds[0])


def _resample(
    design: _Design,
    clusters: Rows,
    cells: Sequence[str],
    point: Mapping[str, _Found],
    resamples: int,
) -> dict[str, Interval]:
    """Give the interval of each share; all sources see the same resamples."""
    n, rows_of = len(cells), [np.flatnonzero(clusters == k) for k in range(clusters.max() + 1)]
    strata = [cells[rows[0]] for rows in rows_of]
    if min(strata.count(cell) for cell in strata) < FEWEST_SEEDS:
        return {name: Interval(found.share, np.nan, np.nan, n) for name, found in point.items()}

    @functools.cache
    def measure(chosen: bytes) -> dict[str, _Found]:
        drawn = np.frombuffer(chosen, np.int64)
        sizes = [len(rows_of[k]) for k in drawn]
        copies = np.repeat(np.arange(len(drawn)), sizes)
        return design.measure(np.concatenate([rows_of[k] for k in drawn]), copies)[0]

    def draw(name: str) -> Interval:
        def share_of(chosen: Rows) -> float:
            return measure(chosen.tobytes()).get(name, _NOTHING).share

        return bca_interval(share_of, strata, resamples)._replace(n=n)

    return {name: draw(name) for name in point}


def _residual(y: Array, terms: Terms) -> tuple[float, int]:
    """Sum of squares and degrees of freedom that a linear model with these terms leaves."""
    design = np.concatenate([np.ones((len(y), 1)), *terms.values()], 1)
    fitted, _, rank, _ = np.linalg.lstsq(design, y, rcond=1e-9)
    return float(((y - design @ fitted) ** 2).sum()), len(y) - int(rank)


def _indicators(labels: npt.ArrayLike) -> Array:
    numbers = _number(labels)
    return np.eye(int(numbers.max()) + 1)[numbers]


def _number(labels: npt.ArrayLike) -> Rows:
    return np.unique(labels, return_inverse=True)[1].reshape(-1).astype(np.int64)
