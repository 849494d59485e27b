"""Intervals and contrasts over seeds. Seeds are the replicates, never the strings of one member.

Axes: R resample, N value, M member.
"""

import itertools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special

Array = npt.NDArray[np.float64]
Bounds = tuple[float, float]
EVERYWHERE: Bounds = (-np.inf, np.inf)
RESAMPLES = 4000
LEVEL = 0.95
TAILS = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)


class Interval(NamedTuple):
    """An estimate with its 95% interval, and the number of seeds; NaN ends where these are few."""

    value: float
    low: float
    high: float
    n: int


class Contrast(NamedTuple):
    """A difference with its interval and a two-sided p value."""

    difference: Interval
    p_value: float


def seed_interval(
    values: npt.ArrayLike,
    cells: Sequence[object] | None = None,
    trim: float = 0.0,
    bounds: Bounds = EVERYWHERE,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Mean over cells of the cell's (trimmed) mean over seeds, with a studentised bootstrap.

    Seeds are resampled within their cell; each resample gives t = (θ* − θ)/se*, and the interval
    is (θ − t_high·se, θ − t_low·se), cut to `bounds`. `trim` = .25 gives interquartile means: a
    quarter of the values (rounded down) is dropped at each end. Below five degrees of freedom
    Student's t takes the place of resampling. Efron and Tibshirani, An Introduction to the
    Bootstrap, section 12.5.

    >>> seed_interval([1.0, 2.0, 3.0]).value
    2.0
    >>> seed_interval([0, 1, 2, 3, 4, 5, 6, 1000], trim=0.25).value
    3.5
    """
    flat_N = np.asarray(values, np.float64).reshape(-1)
    parts = [flat_N[rows] for rows in _rows_by_cell(len(flat_N), cells)]
    if not parts:
        return Interval(np.nan, np.nan, np.nan, 0)
    weights = [1 / len(parts)] * len(parts)
    return _weighted_interval(parts, weights, trim, bounds, resamples, seed)


def contrast_unpaired(
    a: npt.ArrayLike, b: npt.ArrayLike, resamples: int = RESAMPLES, seed: int = 0
) -> Contrast:
    """Mean of a minus mean of b, different seeds: interval as above, permutation test of t."""
    parts = [np.asarray(a, np.float64), np.asarray(b, np.float64)]
    interval = _weighted_interval(parts, [1.0, -1.0], 0.0, EVERYWHERE, resamples, seed)
    together, n = np.concatenate(parts), len(parts[0])
    rng = np.random.default_rng(seed)
    shuffled = rng.permuted(np.tile(together, (resamples, 1)), axis=1)
    t_R = _t_statistic(shuffled[:, :n], shuffled[:, n:])
    observed = float(_t_statistic(*(part[None] for part in parts))[0])
    more = np.count_nonzero(np.abs(t_R) >= abs(observed) * (1 - 1e-9))
    return Contrast(interval, (1 + int(more)) / (1 + resamples))


def contrast_paired(a: npt.ArrayLike, b: npt.ArrayLike) -> Contrast:
    """Mean of a − b where a and b share seeds: interval as above, and the sign-flip test.

    The test is exact, by enumeration, up to 12 pairs.

    >>> contrast_paired([2, 3, 4, 5], [1, 2, 3, 3]).p_value
    0.125
    """
    gaps_N = np.asarray(a, np.float64) - np.asarray(b, np.float64)
    n = len(gaps_N)
    if n <= 12:
        signs, extra = np.array(list(itertools.product((-1, 1), repeat=n)), np.float64), 0
    else:
        signs, extra = np.random.default_rng(0).choice((-1.0, 1.0), (RESAMPLES, n)), 1
    sums = np.abs(signs @ gaps_N)
    more = np.count_nonzero(sums >= abs(gaps_N.sum()) * (1 - 1e-9))
    return Contrast(seed_interval(gaps_N), int(more + extra) / (len(signs) + extra))


def wilson_interval(successes: int, n: int) -> Interval:
    """Wilson's score interval of a rate.

    >>> [round(x, 3) for x in wilson_interval(0, 10)]
    [0.0, 0.0, 0.278, 10]
    """
    if not n:
        return Interval(np.nan, np.nan, np.nan, 0)
    z = float(special.ndtri(TAILS[1]))
    rate, shrink = successes / n, 1 + z * z / n
    centre = (rate + z * z / (2 * n)) / shrink
    half = z / shrink * np.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    low = 0.0 if successes == 0 else float(centre - half)
    return Interval(rate, low, 1.0 if successes == n else float(centre + half), n)


def adjust_holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment: reject those below α, and the family-wise error is at most α.

    >>> adjust_holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values, kind="stable")
    factors = np.arange(len(order), 0, -1)
    raised = np.maximum.accumulate(np.asarray(p_values, np.float64)[order] * factors)
    adjusted = np.empty(len(order))
    adjusted[order] = np.minimum(raised, 1)
    return [float(p) for p in adjusted]


def pair_interval(
    values_MxM: npt.ArrayLike,
    pairs_MxM: npt.NDArray[np.bool_] | None = None,
    cells: Sequence[object] | None = None,
    bounds: Bounds = (0.0, np.inf),
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Mean of a pairwise measure over members, with a studentised bootstrap of the members.

    Members are resampled (within cells), and pairs of a member with itself are dropped; `pairs`
    says which pairs are meant, such as those within an architecture. θ = Σ c_i c_j d_ij / Σ c_i
    c_j over i≠j, where c are the counts of a resample; its standard error is the jackknife's over
    members. n is the number of members.

    >>> pair_interval([[0, 1, 2], [1, 0, 3], [2, 3, 0]]).value
    2.0
    """
    values = np.asarray(values_MxM, np.float64)
    m = len(values)
    wanted = ~np.eye(m, dtype=bool) if pairs_MxM is None else pairs_MxM & ~np.eye(m, dtype=bool)
    wanted = wanted | wanted.T
    used = np.flatnonzero(wanted.any(axis=1))
    if len(used) < 2:
        return Interval(np.nan, np.nan, np.nan, len(used))
    d: Array = np.where(wanted, (values + values.T) / 2, 0)[used][:, used]
    w = wanted[used][:, used].astype(np.float64)
    value, se = (float(x[0]) for x in _pair_mean(d, w, np.ones((1, len(d)))))
    if len(d) < 3 or not np.isfinite(value):
        return Interval(value, np.nan, np.nan, len(d))
    kept = None if cells is None else [cells[int(row)] for row in used]
    counts_RxM = _draw_counts(len(d), kept, seed, resamples)
    low, high = _studentise(value, se, *_pair_mean(d, w, counts_RxM), len(d) - 1)
    return Interval(value, max(low, bounds[0]), min(high, bounds[1]), len(d))


def bca_interval(
    statistic: Callable[[npt.NDArray[np.int64]], float],
    cells: Sequence[object],
    resamples: int = 1000,
) -> Interval:
    """Bias-corrected accelerated bootstrap of any statistic of members, resampled within cells.

    `statistic` takes row numbers, some of them repeated. For what has no standard error of its
    own; at n = 8 it covers less than its level. Efron 1987, JASA 82.
    """
    n = len(cells)
    value = float(statistic(np.arange(n)))
    counts_RxM = _draw_counts(n, cells, 0, resamples).astype(np.int64)
    found = np.array([statistic(np.repeat(np.arange(n), counts)) for counts in counts_RxM])
    left_out = np.array([statistic(np.delete(np.arange(n), i)) for i in range(n)])
    found, left_out = found[np.isfinite(found)], left_out[np.isfinite(left_out)]
    if len(found) < resamples / 2 or len(left_out) < n or not np.isfinite(value):
        return Interval(value, np.nan, np.nan, n)
    below = (np.count_nonzero(found < value) + 0.5 * np.count_nonzero(found == value)) / len(found)
    z0 = special.ndtri(np.clip(below, 1 / len(found), 1 - 1 / len(found)))
    gaps = left_out.mean() - left_out
    spread = (gaps**2).sum() ** 1.5
    a = (gaps**3).sum() / (6 * spread) if spread > 0 else 0.0
    z = z0 + special.ndtri(TAILS)
    low, high = np.quantile(found, special.ndtr(z0 + z / (1 - a * z)))
    return Interval(value, float(low), float(high), n)


def _rows_by_cell(n: int, cells: Sequence[object] | None) -> list[list[int]]:
    found: dict[object, list[int]] = {}
    for row, cell in zip(range(n), [None] * n if cells is None else cells, strict=True):
        found.setdefault(cell, []).append(row)
    return list(found.values())


def _trimmed_mean(values: Array, trim: float) -> tuple[Array, Array]:
    """Trimmed mean and its standard error along the last axis (Yuen's, from winsorised values)."""
    n = values.shape[-1]
    g = int(trim * n)
    ordered = np.sort(values, -1)
    kept = n - 2 * g
    mean = ordered[..., g : n - g].mean(-1)
    if kept < 2:
        return mean, np.full_like(mean, np.nan)
    held = np.clip(ordered, ordered[..., g : g + 1], ordered[..., n - g - 1 : n - g])
    return mean, np.sqrt((n - 1) * held.var(-1, ddof=1) / (kept * (kept - 1)))


def _combine(parts: Sequence[Array], weights: Sequence[float], trim: float) -> tuple[Array, Array]:
    found = [_trimmed_mean(part, trim) for part in parts]
    value = sum(w * mean for w, (mean, _) in zip(weights, found, strict=True))
    variance = sum(w * w * se**2 for w, (_, se) in zip(weights, found, strict=True))
    return np.asarray(value), np.sqrt(np.asarray(variance))


def _t_statistic(*parts: Array) -> Array:
    return _divide(*_combine(parts, [1.0, -1.0], 0.0))


def _divide(gap: Array, se: Array, least: float = 0.0) -> Array:
    """Give t = gap/se; a gap without spread is infinitely far off, unless it is none."""
    far = np.where(np.abs(gap) > 0, np.copysign(np.inf, gap), 0)
    return np.divide(gap, se, out=far, where=se > least)


def _weighted_interval(
    parts: Sequence[Array],
    weights: Sequence[float],
    trim: float,
    bounds: Bounds,
    resamples: int,
    seed: int,
) -> Interval:
    n = sum(len(part) for part in parts)
    value, se = (float(x) for x in _combine(parts, weights, trim))
    if not np.isfinite(se):
        return Interval(value, np.nan, np.nan, n)
    rng = np.random.default_rng(seed)
    drawn = [part[rng.integers(len(part), size=(resamples, len(part)))] for part in parts]
    freedom = sum(len(part) - 2 * int(trim * len(part)) - 1 for part in parts)
    low, high = _studentise(value, se, *_combine(drawn, weights, trim), freedom)
    return Interval(value, max(low, bounds[0]), min(high, bounds[1]), n)


def _studentise(
    value: float, se: float, value_R: Array, se_R: Array, freedom: int
) -> tuple[float, float]:
    """Turn resampled t values into an interval; Student's t where they are too few or too wild."""
    t_R = _divide(value_R - value, se_R, least=1e-12 * (1 + abs(value)))
    t_R = t_R[~np.isnan(t_R)]
    ends = np.quantile(t_R, TAILS, method="inverted_cdf") if len(t_R) else np.full(2, np.inf)
    if freedom < 5 or not np.isfinite(ends).all():
        ends = special.stdtrit(max(freedom, 1), TAILS)
    return float(value - ends[1] * se), float(value - ends[0] * se)


def _draw_counts(n: int, cells: Sequence[object] | None, seed: int, resamples: int) -> Array:
    """Draw how often each member comes in each resample, within cells, [R, M]."""
    rng = np.random.default_rng(seed)
    counts = np.zeros((resamples, n))
    for rows in _rows_by_cell(n, cells):
        counts[:, rows] = rng.multinomial(len(rows), [1 / len(rows)] * len(rows), size=resamples)
    return counts


def _pair_mean(d_MxM: Array, w_MxM: Array, counts_RxM: Array) -> tuple[Array, Array]:
    """Σ c d c / Σ c w c and its jackknife standard error over members, for each resample."""
    num_RxM, den_RxM = counts_RxM @ d_MxM, counts_RxM @ w_MxM
    num_R, den_R = (num_RxM * counts_RxM).sum(1), (den_RxM * counts_RxM).sum(1)
    with np.errstate(invalid="ignore", divide="ignore"):
        value_R = num_R / den_R
        less = (num_R[:, None] - 2 * num_RxM) / (den_R[:, None] - 2 * den_RxM)
        less = np.where(np.isfinite(less), less, value_R[:, None])
        n_R = counts_RxM.sum(1)
        centre_R = (counts_RxM * less).sum(1) / n_R
        spread_R = (counts_RxM * (less - centre_R[:, None]) ** 2).sum(1)
    return value_R, np.sqrt((n_R - 1) / n_R * spread_R)
