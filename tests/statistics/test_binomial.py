"""Intervals of a probability, against the binomial law itself."""

import numpy as np
import pytest
from scipy import stats

from identjax.statistics.binomial import clopper_pearson


@pytest.mark.parametrize("n", [1, 7, 30])
def test_the_tails_at_the_ends_are_a_fortieth(n: int) -> None:
    successes = np.arange(n + 1)
    low, high = clopper_pearson(successes, n)
    assert (low[0], high[-1]) == (0.0, 1.0)
    above = stats.binom.sf(successes[1:] - 1, n, low[1:])
    below = stats.binom.cdf(successes[:-1], n, high[:-1])
    assert above == pytest.approx(0.025)
    assert below == pytest.approx(0.025)


def test_it_covers_at_every_probability() -> None:
    n = 20
    low, high = clopper_pearson(np.arange(n + 1), n)
    for p in np.linspace(0.003, 0.997, 60):
        inside = (low <= p) & (p <= high)
        assert stats.binom.pmf(np.arange(n + 1), n, p)[inside].sum() >= 0.95


def test_draws_of_unequal_probabilities_are_covered_too() -> None:
    p_N = np.repeat([0.01, 0.3, 0.95], 10)
    pmf = np.ones(1)
    for p in p_N:
        pmf = np.convolve(pmf, [1 - p, p])
    low, high = clopper_pearson(np.arange(len(p_N) + 1), len(p_N))
    assert pmf[(low <= p_N.mean()) & (p_N.mean() <= high)].sum() >= 0.95


def test_nothing_is_known_without_trials() -> None:
    low, high = clopper_pearson(0, 0)
    assert (float(low), float(high)) == (0.0, 1.0)
