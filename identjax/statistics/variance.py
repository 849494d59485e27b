"""What explains behaviour: variance over architecture, optimizer, swept fields and seeds.

Axes: N member, P column of a design.
"""

import dataclasses
import functools
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from identjax.evaluation.cells import CHOICES
from identjax.evaluation.eval_tables import select_rows
from identjax.statistics.intervals import Interval, bca_interval
from identjax.statistics.resampling import Array

SEEDS = ("init_seed", "data_seed", "noise_seed")
COVARIATE, RESIDUAL = "log KL to the truth", "residual"
FEWEST_MEMBERS, FEWEST_SEEDS = 8, 4
# Columns of members.parquet that are no choice of the experimenter.
NOT_FACTORS = {*SEEDS, "member_id", "group", "language", "role", "status", "steps", "cause"}
NOT_FACTORS |= {"start_digest", "start_member"}


@dataclasses.dataclass(frozen=True)
class Share:
    """One source of variance: its share of the total, corrected for chance, with an interval.

    `note` says what else is in it. `freedom` counts its parameters.
    """

    source: str
    share: Interval
    raw: float
    freedom: int
    note: str


@dataclasses.dataclass(frozen=True)
class Term:
    """A source with its part of the design: columns [N, P]."""

    source: str
    columns: Array


def decompose_variance(
    values: npt.ArrayLike,
    members: Sequence[Mapping[str, object]],
    factors: Sequence[str],
    kl_nats: npt.ArrayLike | None = None,
    resamples: int = 200,
    seed: int = 0,
) -> list[Share]:
    """Split the variance of one number per member over the factors that vary among the members.

    A linear model holds log KL as covariate, the factors, and each seed within its cell (the
    members that share all factors), because seed 0 of one architecture has nothing to do with
    seed 0 of another. For a source with sum of squares SS on f degrees of freedom, given all
    other sources (for factors: all others but the seeds), the share is
    ω² = (SS − f·MS_residual)/(SS_total + MS_residual), the raw share SS/SS_total; ω² may fall
    below 0 where there is nothing; for the residual it is (n−1)·MS_residual over the same. A seed
    that has no replicates goes into the residual, which says so. Shares of a balanced design
    add up to about 1. Intervals are BCa over
    initialisation seeds, resampled within cells with all their data seeds; there is none below
    four seeds per cell.
    """
    y = np.asarray(values, np.float64)
    covariate = None if kl_nats is None else np.log(np.maximum(np.asarray(kl_nats), 1e-9))
    varied, aliases = find_factors(members, factors)
    cells = ["|".join(str(row[f]) for f in varied) for row in members]
    sources = _Sources(y, covariate, varied, members, cells)
    drawn = _Resamples.of(sources)
    point, confounded = sources.measure(np.arange(len(y)), drawn.clusters)
    # A member drawn twice is no replicate of a seed that has none.
    apart = dataclasses.replace(sources, without_replicates=tuple(confounded))
    drawn = dataclasses.replace(drawn, sources=apart)
    notes = {name: f"with {', '.join(others)}" for name, others in aliases.items() if others}
    notes |= {RESIDUAL: f"holds {', '.join(confounded)}"} if confounded else {}
    return [
        Share(
            name, drawn.interval_of(name, share, resamples, seed), raw, freedom, notes.get(name, "")
        )
        for name, (share, raw, freedom) in point.items()
    ]


def find_factors(
    members: Sequence[Mapping[str, object]], factors: Sequence[str]
) -> tuple[list[str], dict[str, list[str]]]:
    """Keep the factors that vary; those that an earlier one settles join it.

    >>> rows = [{"a": 1, "b": "x", "c": 0}, {"a": 2, "b": "y", "c": 0}]
    >>> find_factors(rows, ["a", "b", "c"])
    (['a'], {'a': ['b']})
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
    return list(aliases), aliases


@dataclasses.dataclass(frozen=True)
class _Sources:
    """Everything that designs are made of, so that they can be made for any rows."""

    y: Array
    covariate: Array | None
    factors: Sequence[str]
    members: Sequence[Mapping[str, object]]
    cells: Sequence[str]
    without_replicates: Sequence[str] = ()

    def measure(
        self, rows: npt.NDArray[np.int64], copies: npt.NDArray[np.int64]
    ) -> tuple[dict[str, tuple[float, float, int]], list[str]]:
        """Give (adjusted share, raw share, degrees of freedom) by source, and seeds left out."""
        y = self.y[rows]
        main = self._main_terms(rows)
        nested, confounded = self._seed_terms(rows, copies, main)
        total = float(((y - y.mean()) ** 2).sum())
        everything = [*main, *nested]
        residual, left = _residual(y, everything)
        scale = residual / left if left else 0.0
        found = {}
        for term in everything:
            others = [t for t in (main if term in main else everything) if t is not term]
            without, left_without = _residual(y, others)
            within, left_within = _residual(y, [*others, term])
            freedom, explained = left_without - left_within, without - within
            raw = explained / total if total > 0 else np.nan
            share = (explained - freedom * scale) / (total + scale) if total > 0 else np.nan
            found[term.source] = (share, raw, freedom)
        noise = (len(y) - 1) * scale / (total + scale) if total > 0 else np.nan
        found[RESIDUAL] = (noise, residual / total if total > 0 else np.nan, left)
        return found, confounded

    def _main_terms(self, rows: npt.NDArray[np.int64]) -> list[Term]:
        terms = []
        if self.covariate is not None and np.ptp(self.covariate[rows]) > 0:
            terms.append(Term(COVARIATE, self.covariate[rows][:, None]))
        for name in self.factors:
            labels = [str(self.members[row][name]) for row in rows]
            terms.append(Term(name, _indicators(labels)))
        return terms

    def _seed_terms(
        self, rows: npt.NDArray[np.int64], copies: npt.NDArray[np.int64], main: list[Term]
    ) -> tuple[list[Term], list[str]]:
        """Seeds within cells, as long as they leave something to measure the rest by."""
        terms: list[Term] = []
        confounded = []
        for name in SEEDS:
            own = [str(self.members[row].get(name)) for row in rows]
            if len(set(own)) < 2 or name in self.without_replicates:
                continue
            labels = [f"{self.cells[row]}|{s}" for row, s in zip(rows, own, strict=True)]
            if name == "init_seed":
                labels = [str(copy) for copy in copies]
            if len(set(labels)) == len(rows):
                confounded.append(name)
                continue
            term = Term(name, _indicators(labels))
            _, left = _residual(self.y[rows], [*main, *terms, term])
            _, before = _residual(self.y[rows], [*main, *terms])
            if left > 0 and left < before:
                terms.append(term)
            else:
                confounded.append(name)
        return terms, confounded


@dataclasses.dataclass(frozen=True)
class _Resamples:
    """Shares in resamples of clusters of rows; all sources see the same ones, so they are kept."""

    sources: _Sources
    clusters: npt.NDArray[np.int64]
    rows_of: Sequence[npt.NDArray[np.int64]]
    known: dict[bytes, dict[str, tuple[float, float, int]]]

    @classmethod
    def of(cls, sources: _Sources) -> "_Resamples":
        """Make clusters of the members of a cell that share an initialisation seed."""
        seeds = [member.get("init_seed") for member in sources.members]
        clusters = _number([f"{c}|{s}" for c, s in zip(sources.cells, seeds, strict=True)])
        rows_of = [np.flatnonzero(clusters == k) for k in range(int(clusters.max()) + 1)]
        return cls(sources, clusters, rows_of, {})

    def interval_of(self, name: str, share: float, resamples: int, seed: int) -> Interval:
        """Give the interval of the share of one source, where there are enough seeds."""
        n, strata = len(self.clusters), [self.sources.cells[rows[0]] for rows in self.rows_of]
        if min(strata.count(cell) for cell in strata) < FEWEST_SEEDS:
            return Interval(share, np.nan, np.nan, n)
        statistic = functools.partial(self.share_of, name)
        return bca_interval(statistic, strata, resamples=resamples, seed=seed)._replace(n=n)

    def share_of(self, name: str, chosen: npt.NDArray[np.int64]) -> float:
        """Give the share of one source among the chosen clusters."""
        key = chosen.tobytes()
        if key not in self.known:
            rows = np.concatenate([self.rows_of[k] for k in chosen])
            # A seed drawn twice counts as two.
            copies = np.repeat(np.arange(len(chosen)), [len(self.rows_of[k]) for k in chosen])
            self.known[key] = self.sources.measure(rows, copies)[0]
        return self.known[key].get(name, (np.nan, 0.0, 0))[0]


def _residual(y: Array, terms: Sequence[Term]) -> tuple[float, int]:
    """Sum of squares and degrees of freedom that a linear model with these terms leaves."""
    design = np.concatenate([np.ones((len(y), 1)), *(term.columns for term in terms)], 1)
    fitted, _, rank, _ = np.linalg.lstsq(design, y, rcond=1e-9)
    return float(((y - design @ fitted) ** 2).sum()), len(y) - int(rank)


def _indicators(labels: Sequence[str]) -> Array:
    numbers = _number(labels)
    return np.eye(int(numbers.max()) + 1)[numbers]


def _number(labels: Sequence[str]) -> npt.NDArray[np.int64]:
    return np.unique(np.asarray(labels), return_inverse=True)[1].reshape(-1).astype(np.int64)


def decompose_rates(
    members: pa.Table,
    rules: pa.Table,
    likelihood: pa.Table,
    language: str,
    rung: str,
    split: str = "ood",
    rule: str = "R1",
    resamples: int = 200,
) -> list[Share]:
    """Decompose a rule rate at equal ε, from the tables of a run; nothing where it cannot vary.

    The factors are all fields of the config that vary, those that name cells first; the
    covariate is the KL to the truth at the snapshot.
    """
    own = select_rows(rules, rung=rung, split=split, rule=rule)
    rates = dict(zip(own["member_id"].to_pylist(), own["rate"].to_pylist(), strict=True))
    near = select_rows(likelihood, rung=rung)
    kl = dict(zip(near["member_id"].to_pylist(), near["kl_nats"].to_pylist(), strict=True))
    rows = [
        row
        for row in select_rows(members, language=language).to_pylist()
        if row.get("role", "report") == "report"
        and rates.get(row["member_id"]) is not None
        and np.isfinite(kl.get(row["member_id"], np.inf))
    ]
    values = [rates[row["member_id"]] for row in rows]
    if len(rows) < FEWEST_MEMBERS or np.ptp(values) == 0:
        return []
    known = set(members.column_names)
    first = [name for name in CHOICES if name in known]
    factors = [*first, *sorted(known - NOT_FACTORS - set(first))]
    excess = [kl[row["member_id"]] for row in rows]
    return decompose_variance(values, rows, factors, excess, resamples)
