"""Exact intervals of a probability from the successes of independent trials."""

import numpy as np
import numpy.typing as npt
from scipy import special

from identjax.statistics.intervals import TAILS, Array


def clopper_pearson(successes: npt.ArrayLike, trials: npt.ArrayLike) -> tuple[Array, Array]:
    """Give the ends of Clopper and Pearson's 95% interval of a probability, elementwise.

    The low end is the p at which so many successes or more have probability .025, the high end
    the p at which so few or fewer have. It covers at least its level at every p. So it does where
    the trials differ in their probabilities and their mean is meant, as in draws spread evenly
    over prompts: their sum varies less than that of like ones (Hoeffding 1956). Without trials the
    interval is [0, 1].

    >>> low, high = clopper_pearson([0, 5, 10], 10)
    >>> low.round(3).tolist(), high.round(3).tolist()
    ([0.0, 0.187, 0.692], [0.308, 0.813, 1.0])
    """
    k, n = np.broadcast_arrays(np.asarray(successes, np.float64), np.asarray(trials, np.float64))
    # The quantiles of Beta(k, n−k+1) and Beta(k+1, n−k); at the ends one of these has no mass.
    low = np.where(k > 0, special.betaincinv(np.maximum(k, 1), n - k + 1, TAILS[0]), 0.0)
    high = np.where(k < n, special.betaincinv(k + 1, np.maximum(n - k, 1), TAILS[1]), 1.0)
    return low, high
