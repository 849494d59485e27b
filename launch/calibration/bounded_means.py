"""Other intervals of the mean of values between 0 and 1, to be compared with the one we print.

Axes: R run, N value. Each takes values [R, N] and gives the low and the high ends, [R] each.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy import stats

from identjax.statistics.intervals import TAILS

Array = npt.NDArray[np.float64]
Ends = tuple[Array, Array]
ALPHA = 2 * TAILS[0]


def student(values_RxN: Array) -> Ends:
    """Student's t, cut to the bounds."""
    n = values_RxN.shape[1]
    half_R = stats.t.ppf(TAILS[1], n - 1) * values_RxN.std(1, ddof=1) / np.sqrt(n)
    return _around(values_RxN, half_R)


def augmented_student(values_RxN: Array) -> Ends:
    """Student's t of the values and one more, at 0 for the low end and at 1 for the high one."""
    n = values_RxN.shape[1]

    def end(bound: float, sign: int) -> Array:
        more = np.concatenate([values_RxN, np.full((len(values_RxN), 1), bound)], 1)
        step_R = stats.t.ppf(TAILS[1], n) * more.std(1, ddof=1) / np.sqrt(n + 1)
        return np.clip(more.mean(1) + sign * step_R, 0, 1)

    return end(0.0, -1), end(1.0, 1)


def hoeffding(values_RxN: Array) -> Ends:
    """Hoeffding's inequality. Hoeffding 1963."""
    n = values_RxN.shape[1]
    return _around(values_RxN, np.sqrt(np.log(2 / ALPHA) / (2 * n)))


def empirical_bernstein(values_RxN: Array) -> Ends:
    """Bernstein's inequality with the variance that is seen. Maurer and Pontil 2009."""
    n, log = values_RxN.shape[1], np.log(4 / ALPHA)
    half_R = np.sqrt(2 * values_RxN.var(1, ddof=1) * log / n) + 7 * log / (3 * (n - 1))
    return _around(values_RxN, half_R)


def anderson(values_RxN: Array) -> Ends:
    """The mean of the least and the greatest law in a band around the one seen. Anderson 1969."""
    n = values_RxN.shape[1]
    least_N = np.clip(np.arange(1, n + 1) / n - stats.ksone.ppf(TAILS[1], n), 0, None)

    def top(ordered_RxN: Array) -> Array:
        ends = np.concatenate([ordered_RxN, np.ones((len(ordered_RxN), 1))], 1)
        return np.asarray(1 - (least_N * np.diff(ends, axis=1)).sum(1))

    return 1 - top(np.sort(1 - values_RxN, 1)), top(np.sort(values_RxN, 1))


def betting(values_RxN: Array, points: int = 201) -> Ends:
    """The means that no gambler grows rich against (hedged). Waudby-Smith and Ramdas 2024."""
    runs, n = values_RxN.shape
    count_N = np.arange(1, n + 1)
    mean_RxN = (np.cumsum(values_RxN, 1) + 0.5) / (count_N + 1)
    spread_RxN = (np.cumsum((values_RxN - mean_RxN) ** 2, 1) + 0.25) / (count_N + 1)
    before_RxN = np.concatenate([np.full((runs, 1), 0.25), spread_RxN[:, :-1]], 1)
    stake_RxN = np.sqrt(2 * np.log(2 / ALPHA) / (before_RxN * n))
    means = np.linspace(0, 1, points)
    rich = np.empty((runs, points))
    for place, mean in enumerate(means):
        gap_RxN = values_RxN - mean
        up = np.minimum(stake_RxN, 0.5 / max(mean, 1e-9)) * gap_RxN
        down = -np.minimum(stake_RxN, 0.5 / max(1 - mean, 1e-9)) * gap_RxN
        best = [np.cumsum(np.log1p(side), 1).max(1) for side in (up, down)]
        rich[:, place] = np.maximum(*best) + np.log(0.5)
    kept = rich < np.log(1 / ALPHA)
    return means[kept.argmax(1)], means[points - 1 - kept[:, ::-1].argmax(1)]


RIVALS: dict[str, Callable[[Array], Ends]] = {
    "Student's t": student,
    "Student's t with one more": augmented_student,
    "Hoeffding": hoeffding,
    "empirical Bernstein": empirical_bernstein,
    "Anderson": anderson,
    "betting": betting,
}


def _around(values_RxN: Array, half: Array | float) -> Ends:
    mean_R = values_RxN.mean(1)
    return np.clip(mean_R - half, 0, 1), np.clip(mean_R + half, 0, 1)
