"""Intervals and contrasts over seeds. Seeds are the replicates, never the strings of one member.

What lies between bounds, as rates do, has an interval that assumes nothing but the bounds. Below
`FEWEST` values nothing has an interval: the range says more.

Axes: R resample, N value, K distinct value, M member.
"""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special

Array = npt.NDArray[np.float64]
Bounds = tuple[float, float]
EVERYWHERE: Bounds = (-np.inf, np.inf)
SHARES: Bounds = (0.0, 1.0)
RESAMPLES = 4000
LEVEL = 0.95
TAILS = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
# With fewer values there is no interval anywhere.
FEWEST = 5


class Interval(NamedTuple):
    """An estimate with its 95% interval, and the number of seeds; NaN ends where there is none."""

    value: float
    low: float
    high: float
    n: int


class Contrast(NamedTuple):
    """A difference with its interval and a two-sided p value."""

    difference: Interval
    p_value: float


def make_interval(value: float, low: float, high: float, n: int) -> Interval:
    """Give an interval, without its ends where it stands for too few values."""
    if n < FEWEST or not np.isfinite(value):
        return Interval(float(value), np.nan, np.nan, n)
    return Interval(float(value), float(low), float(high), n)


def seed_interval(
    values: npt.ArrayLike,
    cells: Sequence[object] | None = None,
    trim: float = 0.0,
    bounds: Bounds = EVERYWHERE,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Mean over cells of the cell's (trimmed) mean over seeds, with a 95% interval.

    Between finite `bounds` the interval is Gaffke's: one value more is put at a bound, the values
    are weighed by Dirichlet(1, …, 1), and the low end is the 2.5% quantile of the mean with one
    more at the low bound, the high end the 97.5% quantile with one more at the high bound. Of
    zeros and ones it is Clopper and Pearson's. No law between the bounds is known at which it
    covers less than its level. Gaffke 2005; Learned-Miller and Thomas 2019, arXiv 1905.06208.

    Elsewhere it is a studentised bootstrap: seeds are resampled within their cell, each resample
    gives t = (θ* − θ)/se*, and the interval is (θ − t_high·se, θ − t_low·se); below five degrees
    of freedom Student's t takes its place. Efron and Tibshirani, An Introduction to the Bootstrap,
    section 12.5. `trim` = .25 gives interquartile means: a quarter of the values (rounded down)
    is dropped at each end; between bounds these have no interval, as none covers.

    >>> seed_interval([1.0, 2.0, 3.0]).value
    2.0
    >>> seed_interval([0, 1, 2, 3, 4, 5, 6, 1000], trim=0.25).value
    3.5
    >>> [round(end, 2) for end in seed_interval([1.0] * 8, bounds=SHARES)[:3]]
    [1.0, 0.63, 1.0]
    """
    flat_N = np.asarray(values, np.float64).reshape(-1)
    parts = [flat_N[rows] for rows in _rows_by_cell(len(flat_N), cells)]
    if not parts:
        return Interval(np.nan, np.nan, np.nan, 0)
    weights = [1 / len(parts)] * len(parts)
    return _weighted_interval(parts, weights, trim, [bounds] * len(parts), resamples, seed)


def plan_seeds(
    values: npt.ArrayLike, half_width: float, bounds: Bounds = SHARES, resamples: int = 1000
) -> int:
    """How many seeds make the interval ± `half_width` wide, if they are spread as these are.

    The interval is that of `seed_interval` between bounds, for n seeds of which each value has
    the share that it has here. Its width falls with n, so that halving finds the smallest n.

    >>> plan_seeds([0.0, 1.0] * 8, 0.05), plan_seeds([0.3, 0.4] * 8, 0.05)
    (400, 39)
    """
    flat_N = np.asarray(values, np.float64).reshape(-1)

    def half(n: int) -> float:
        rng = np.random.default_rng(0)
        low_R, high_R = _draw_between(flat_N, n, bounds, resamples, rng)
        return float(np.quantile(high_R, TAILS[1]) - np.quantile(low_R, TAILS[0])) / 2

    above = FEWEST
    while half(above) > half_width:
        above *= 2
    below = above // 2
    while above - below > 1:
        middle = (above + below) // 2
        below, above = (below, middle) if half(middle) <= half_width else (middle, above)
    return max(above, FEWEST)


def contrast_unpaired(
    a: npt.ArrayLike,
    b: npt.ArrayLike,
    bounds: Bounds = EVERYWHERE,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Contrast:
    """Mean of a minus mean of b, different seeds: interval as above, permutation test of t."""
    parts = [np.asarray(a, np.float64), np.asarray(b, np.float64)]
    interval = _weighted_interval(parts, [1.0, -1.0], 0.0, [bounds] * 2, resamples, seed)
    together, n = np.concatenate(parts), len(parts[0])
    rng = np.random.default_rng(seed)
    shuffled = rng.permuted(np.tile(together, (resamples, 1)), axis=1)
    t_R = _t_statistic(shuffled[:, :n], shuffled[:, n:])
    observed = float(_t_statistic(*(part[None] for part in parts))[0])
    more = np.count_nonzero(np.abs(t_R) >= abs(observed) * (1 - 1e-9))
    return Contrast(interval, (1 + int(more)) / (1 + resamples))


def contrast_paired(a: npt.ArrayLike, b: npt.ArrayLike, bounds: Bounds = EVERYWHERE) -> Contrast:
    """Mean of a − b where a and b share seeds: interval as above, and the sign-flip test.

    The test is exact, by enumeration, up to 12 pairs.

    >>> contrast_paired([2, 3, 4, 5], [1, 2, 3, 3]).p_value
    0.125
    """
    gaps_N = np.asarray(a, np.float64) - np.asarray(b, np.float64)
    n, widest = len(gaps_N), bounds[1] - bounds[0]
    if n <= 12:
        signs, extra = np.array(list(itertools.product((-1, 1), repeat=n)), np.float64), 0
    else:
        signs, extra = np.random.default_rng(0).choice((-1.0, 1.0), (RESAMPLES, n)), 1
    sums = np.abs(signs @ gaps_N)
    more = np.count_nonzero(sums >= abs(gaps_N.sum()) * (1 - 1e-9))
    interval = seed_interval(gaps_N, bounds=(-widest, widest))
    return Contrast(interval, int(more + extra) / (len(signs) + extra))


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
    bounds: Bounds = SHARES,
    resamples: int = 1000,
    seed: int = 0,
) -> Interval:
    """Mean of a pairwise measure over pairs of members, with a 95% interval; n counts members.

    `pairs` says which pairs are meant, such as those within an architecture. The interval is that
    of `seed_interval` for pairs: one member more stands at the low bound, or at the high one, from
    all others, and members are weighed by Dirichlet(1, …, 1). θ* = Σ w_i w_j d_ij / Σ w_i w_j over
    the pairs i≠j that are meant; those of the one more, with itself too, are of its bound.

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
    value = float(d.sum() / w.sum())
    low, high = _bound_pairs(d, w, bounds, np.random.default_rng(seed), resamples)
    return make_interval(value, low, high, len(used))


def _bound_pairs(
    d_MxM: Array, w_MxM: Array, bounds: Bounds, rng: np.random.Generator, resamples: int
) -> Bounds:
    """Give the ends of the mean over pairs, with one member more at a bound from all others."""
    m = len(d_MxM)
    drawn = rng.dirichlet(np.ones(m + 1), resamples)
    own_RxM, more_R = drawn[:, :-1], drawn[:, -1]
    sum_R = ((own_RxM @ d_MxM) * own_RxM).sum(1)
    # Of the pairs that the one more has, as many are meant as of those that there are.
    share = w_MxM.sum() / (m * (m - 1))
    pairs_R = share * more_R * (2 - more_R)
    total_R = ((own_RxM @ w_MxM) * own_RxM).sum(1) + pairs_R
    ends = [(sum_R + bound * pairs_R) / total_R for bound in bounds]
    return float(np.quantile(ends[0], TAILS[0])), float(np.quantile(ends[1], TAILS[1]))


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
    bounds: Sequence[Bounds],
    resamples: int,
    seed: int,
) -> Interval:
    n = sum(len(part) for part in parts)
    value, se = (float(x) for x in _combine(parts, weights, trim))
    rng = np.random.default_rng(seed)
    if np.isfinite(bounds).all():
        found = Interval(value, np.nan, np.nan, n)
        return found if trim else _between(parts, weights, bounds, found, resamples, rng)
    if not se > 1e-12 * (1 + abs(value)):
        return Interval(value, np.nan, np.nan, n)
    drawn = [part[rng.integers(len(part), size=(resamples, len(part)))] for part in parts]
    freedom = sum(len(part) - 2 * int(trim * len(part)) - 1 for part in parts)
    low, high = studentise(value, se, *_combine(drawn, weights, trim), freedom)
    return make_interval(value, low, high, n)


def _between(
    parts: Sequence[Array],
    weights: Sequence[float],
    bounds: Sequence[Bounds],
    found: Interval,
    resamples: int,
    rng: np.random.Generator,
) -> Interval:
    """Give Gaffke's interval of a weighted sum of means; a negative weight turns the ends."""
    low_R, high_R = np.zeros(resamples), np.zeros(resamples)
    for part, weight, own in zip(parts, weights, bounds, strict=True):
        ends = _draw_between(part, len(part), own, resamples, rng)
        below_R, above_R = ends if weight > 0 else ends[::-1]
        low_R, high_R = low_R + weight * below_R, high_R + weight * above_R
    low, high = np.quantile(low_R, TAILS[0]), np.quantile(high_R, TAILS[1])
    return make_interval(found.value, float(low), float(high), found.n)


def _draw_between(
    values_N: Array, n: int, bounds: Bounds, resamples: int, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Draw means of n values, spread as these are, with one more at the low or the high bound.

    Equal values are weighed together: their weights of 1 each add up to a gamma variable.
    """
    values_K, counts_K = np.unique(values_N, return_counts=True)
    weights_RxK = rng.standard_gamma(counts_K * (n / len(values_N)), (resamples, len(values_K)))
    more_R = rng.standard_exponential(resamples)
    total_R, sum_R = weights_RxK.sum(1) + more_R, weights_RxK @ values_K
    return (sum_R + bounds[0] * more_R) / total_R, (sum_R + bounds[1] * more_R) / total_R


def studentise(
    value: float, se: float, value_R: Array, se_R: Array, freedom: int
) -> tuple[float, float]:
    """Turn resampled t values into an interval; Student's t where they are too few or too wild."""
    t_R = _divide(value_R - value, se_R, least=1e-12 * (1 + abs(value)))
    t_R = t_R[~np.isnan(t_R)]
    ends = np.quantile(t_R, TAILS, method="inverted_cdf") if len(t_R) else np.full(2, np.inf)
    if freedom < 5 or not np.isfinite(ends).all():
        ends = special.stdtrit(max(freedom, 1), TAILS)
    return float(value - ends[1] * se), float(value - ends[0] * se)


def draw_counts(n: int, cells: Sequence[object] | None, seed: int, resamples: int) -> Array:
    """Draw how often each member comes in each resample, within cells, [R, M]."""
    rng = np.random.default_rng(seed)
    counts = np.zeros((resamples, n))
    for rows in _rows_by_cell(n, cells):
        counts[:, rows] = rng.multinomial(len(rows), [1 / len(rows)] * len(rows), size=resamples)
    return counts
