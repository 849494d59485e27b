"""The identifiability index of a curve d(ε). Axes: K rung, M member."""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from identjax.statistics.intervals import Array, Interval, bca_interval, pair_interval

FEWEST_RUNGS, FEWEST_MEMBERS = 3, 4


@dataclasses.dataclass(frozen=True)
class Index:
    """The identifiability index, and what it is made of; NaN where there is too little.

    `index` is slope_ood/slope_id; `residual` is d_ood at the smallest ε over log 2.
    """

    index: Interval
    slope_id: float
    slope_ood: float
    residual: Interval
    rungs: tuple[str, ...]


class Panel(NamedTuple):
    """Divergences of the same members at several rungs: [K, M, M] on and off the support."""

    members: list[str]
    epsilons: Array
    on: Array
    off: Array


def measure_index(
    panel: Panel, cells: Sequence[object] | None = None, resamples: int = 500
) -> Index:
    """How much of the convergence on the support carries over to impossible prompts.

    d_s(ε) is the mean over pairs of members of the Jensen–Shannon divergence of their next-token
    laws on split s at rung ε. slope_s is the least-squares slope of log d_s on log ε. The index
    is slope_ood/slope_id: 1 where behaviour off the support converges as fast as on it, 0 where
    it does not converge at all, below 0 where members part further as their loss converges.
    Members are resampled within cells, with all their rungs (BCa interval).
    """
    m, rungs = len(panel.members), tuple(format(e, "g") for e in panel.epsilons)
    nothing = Interval(np.nan, np.nan, np.nan, m)
    if len(rungs) < FEWEST_RUNGS or m < FEWEST_MEMBERS:
        return Index(nothing, np.nan, np.nan, nothing, rungs)
    kept = list(cells) if cells is not None else [0] * m

    def ratio(rows: npt.NDArray[np.int64]) -> float:
        counts = np.bincount(rows, minlength=m).astype(np.float64)
        below = _slope(panel.epsilons, panel.on, counts)
        return float(_slope(panel.epsilons, panel.off, counts) / below) if below else np.nan

    last = int(np.argmin(panel.epsilons))
    residual = pair_interval(panel.off[last] / np.log(2), cells=kept, bounds=(0, 1))
    once = np.ones(m)
    return Index(
        bca_interval(ratio, kept, resamples),
        _slope(panel.epsilons, panel.on, once),
        _slope(panel.epsilons, panel.off, once),
        residual,
        rungs,
    )


def _slope(epsilons_K: Array, values_KxMxM: Array, counts_M: Array) -> float:
    """Slope of log mean divergence on log ε; pairs of a member with itself do not count."""
    pairs_MxM = np.outer(counts_M, counts_M)
    np.fill_diagonal(pairs_MxM, 0)
    if not pairs_MxM.sum():
        return np.nan
    values = np.where(np.isnan(values_KxMxM), 0, values_KxMxM)
    means_K = (values * pairs_MxM).sum((1, 2)) / pairs_MxM.sum()
    if not (np.isfinite(means_K).all() and (means_K > 0).all()):
        return np.nan
    return float(np.polyfit(np.log(epsilons_K), np.log(means_K), 1)[0])
