"""The slope of divergence: how fast members come together as each comes nearer to the truth.

Axes: K rung, M member, R resample.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import special

from identjax.statistics.intervals import (
    Array,
    Interval,
    draw_counts,
    make_interval,
    studentise,
)

FEWEST_RUNGS, FEWEST_MEMBERS = 3, 12
# At .975 Student's t covers less than .92 where the mean divergence is no power of KL.
WIDER = 0.9875
Pairs = npt.NDArray[np.bool_]


def pair_slope(
    apart_KxMxM: Array,
    kl_KxM: Array,
    pairs_MxM: Pairs,
    cells: Sequence[object] | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> Interval:
    """Slope of log divergence on log KL over rungs, for the same members at every rung.

    At each rung the divergence is the mean over the pairs that are meant, and the KL the mean of
    the pairs' KL to the truth as it is; the slope is that of least squares. It is 1 where members
    come together at the pace at which they near the truth, 0 where they do not come together,
    below 0 where they part. NaN for fewer than three rungs, or where some mean is 0 or infinite.

    The interval holds two: the studentised bootstrap over members (within cells, with all their
    rungs) and Student's t at a wider level, both with the jackknife's standard error. Either alone
    covers less than .92 where the mean divergence is no power of KL; below twelve members, both.

    >>> kl = np.outer([1.0, 0.1, 0.01], np.ones(4))
    >>> apart = np.sqrt(kl)[:, :, None] * np.abs(np.subtract.outer(range(4), range(4)))
    >>> round(pair_slope(apart, kl, apart[0] > 0).value, 6)
    0.5
    """
    m = kl_KxM.shape[1]
    wanted = (pairs_MxM | pairs_MxM.T) & ~np.eye(m, dtype=bool)
    used = np.flatnonzero(wanted.any(axis=1))
    if len(kl_KxM) < FEWEST_RUNGS or len(used) < 2:
        return Interval(np.nan, np.nan, np.nan, len(used))
    w_MxM = wanted[used][:, used].astype(np.float64)
    apart = np.where(w_MxM > 0, apart_KxMxM[:, used][:, :, used], 0)
    kl = w_MxM * (kl_KxM[:, used, None] + kl_KxM[:, None, used]) / 2
    strata = None if cells is None else [cells[int(row)] for row in used]
    return _infer(apart, kl, w_MxM, draw_counts(len(used), strata, seed, resamples))


def _infer(apart_KxMxM: Array, kl_KxMxM: Array, w_MxM: Array, counts_RxM: Array) -> Interval:
    """Give the slope with its interval, from resamples of the members."""
    m = len(w_MxM)
    value, se = (float(x[0]) for x in _slopes(apart_KxMxM, kl_KxMxM, w_MxM, np.ones((1, m))))
    if not np.isfinite(value) or m < FEWEST_MEMBERS or not se > 0:
        return Interval(value if np.isfinite(value) else np.nan, np.nan, np.nan, m)
    drawn = _slopes(apart_KxMxM, kl_KxMxM, w_MxM, counts_RxM)
    low, high = studentise(value, se, *drawn, m - 1)
    half = float(special.stdtrit(m - 1, WIDER)) * se
    return make_interval(value, min(low, value - half), max(high, value + half), m)


def _slopes(
    apart_KxMxM: Array, kl_KxMxM: Array, w_MxM: Array, counts_RxM: Array
) -> tuple[Array, Array]:
    """Slope of each resample, and its standard error by leaving out one member after another."""
    ups, acrosses = [], []
    for apart_MxM, kl_MxM in zip(apart_KxMxM, kl_KxMxM, strict=True):
        ups.append(_pair_means(apart_MxM, w_MxM, counts_RxM))
        acrosses.append(_pair_means(kl_MxM, w_MxM, counts_RxM))
    up, across = (np.stack([whole for whole, _ in found]) for found in (ups, acrosses))
    value_R = _fit(across, up)
    up_KxRxM, across_KxRxM = (np.stack([less for _, less in found]) for found in (ups, acrosses))
    less_RxM = _fit(across_KxRxM, up_KxRxM)
    # Where a resample, or one of its members left out, has no slope, nothing is said of it.
    less_RxM = np.where(np.isfinite(less_RxM), less_RxM, value_R[:, None])
    value_R = np.where(np.isfinite(value_R), value_R, np.nan)
    n_R = counts_RxM.sum(1)
    with np.errstate(invalid="ignore"):
        centre_R = (counts_RxM * less_RxM).sum(1) / n_R
        spread_R = (counts_RxM * (less_RxM - centre_R[:, None]) ** 2).sum(1)
    return value_R, np.sqrt((n_R - 1) / n_R * spread_R)


def _pair_means(d_MxM: Array, w_MxM: Array, counts_RxM: Array) -> tuple[Array, Array]:
    """Σ c d c / Σ c w c of each resample, and the same with each member left out once."""
    sum_RxM, pairs_RxM = counts_RxM @ d_MxM, counts_RxM @ w_MxM
    sum_R, pairs_R = (sum_RxM * counts_RxM).sum(1), (pairs_RxM * counts_RxM).sum(1)
    with np.errstate(invalid="ignore", divide="ignore"):
        less_RxM = (sum_R[:, None] - 2 * sum_RxM) / (pairs_R[:, None] - 2 * pairs_RxM)
        return sum_R / pairs_R, less_RxM


def _fit(across_K: Array, up_K: Array) -> Array:
    """Least-squares slope of log `up` on log `across` along the first axis."""
    with np.errstate(invalid="ignore", divide="ignore"):
        x, y = np.log(across_K), np.log(up_K)
        x = x - x.mean(0)
        return np.asarray((x * y).sum(0) / (x * x).sum(0))
