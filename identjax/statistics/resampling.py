"""Resampling of seeds: what the intervals of `statistics` share. Axes: R resample, M member."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import scipy.stats

Array = npt.NDArray[np.float64]
RESAMPLES = 4000


def trimmed_mean(values: Array, trim: float) -> tuple[Array, Array]:
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


def studentise(
    value: float, se: float, value_R: Array, se_R: Array, level: float, freedom: int
) -> tuple[float, float]:
    """Turn resampled t values into an interval; Student's t where they are too few or too wild."""
    tails = [(1 - level) / 2, (1 + level) / 2]
    gap_R = value_R - value
    # A resample without spread is infinitely far off, unless it hits the estimate.
    far_R = np.where(np.abs(gap_R) > 0, np.copysign(np.inf, gap_R), 0)
    t_R = np.divide(gap_R, se_R, out=far_R, where=se_R > 1e-12 * (1 + abs(value)))
    t_R = t_R[~np.isnan(t_R)]
    low_t, high_t = np.quantile(t_R, tails, method="inverted_cdf") if len(t_R) else (np.inf, np.inf)
    if freedom < 5 or not np.isfinite([low_t, high_t]).all():
        low_t, high_t = scipy.stats.t.ppf(tails, max(freedom, 1))
    return float(value - high_t * se), float(value - low_t * se)


def draw_counts(
    n: int, cells: Sequence[object] | None, seed: int, resamples: int = RESAMPLES
) -> Array:
    """Draw how often each member comes in each resample, within cells, [R, M]."""
    rng = np.random.default_rng(seed)
    counts = np.zeros((resamples, n))
    groups: dict[object, list[int]] = {}
    for row in range(n):
        groups.setdefault(None if cells is None else cells[row], []).append(row)
    for rows in groups.values():
        counts[:, rows] = rng.multinomial(len(rows), [1 / len(rows)] * len(rows), size=resamples)
    return counts
