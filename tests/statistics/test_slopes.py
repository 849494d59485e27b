"""Slopes of divergence are those that were planted, and cover them."""

import numpy as np
import pytest

from identjax.statistics.slopes import FEWEST_MEMBERS, pair_slope

EPSILONS = np.array([1, 0.3, 0.1, 0.03, 0.01])


def plant(rng, m, slope=0.3, spread=0.0, noise=0.1):
    """Members at places x·KL^b on a line, their KLs within a rung, and their distances."""
    kl_KxM = EPSILONS[:, None] * rng.uniform(0.4, 1, (len(EPSILONS), m))
    own = rng.normal(slope, spread, m)
    places = rng.normal(size=m) * kl_KxM**own
    places += noise * rng.normal(size=places.shape) * kl_KxM**slope
    return np.abs(places[:, :, None] - places[:, None, :]), kl_KxM


def every(m):
    return np.ones((m, m), bool)


@pytest.mark.parametrize("slope", [1.0, 0.0, -0.5])
def test_a_power_of_the_kl_has_its_slope_whatever_the_epsilon(slope):
    kl_KxM = np.outer([0.9, 0.02, 0.0001], np.ones(8))
    apart = (kl_KxM**slope)[:, :, None] * np.ones((8, 8))
    assert pair_slope(apart, kl_KxM, every(8)).value == pytest.approx(slope, abs=1e-12)


def test_only_the_pairs_that_are_meant_count():
    apart, kl_KxM = plant(np.random.default_rng(0), 8)
    cells = np.array(list("aaaabbbb"))
    within = cells[:, None] == cells[None, :]
    changed = np.where(within, apart, 7.0)
    found = [pair_slope(one, kl_KxM, within, list(cells)).value for one in (apart, changed)]
    assert found[0] == found[1]
    assert pair_slope(changed, kl_KxM, ~within).value == pytest.approx(0, abs=1e-12)


def test_too_little_has_no_slope_and_few_members_have_no_interval():
    apart, kl_KxM = plant(np.random.default_rng(1), 8)
    assert np.isnan(pair_slope(apart[:2], kl_KxM[:2], every(8)).value)
    assert np.isnan(pair_slope(apart, kl_KxM, ~every(8)).value)
    assert np.isnan(pair_slope(0 * apart, kl_KxM, every(8)).value)
    m = FEWEST_MEMBERS
    apart, kl_KxM = plant(np.random.default_rng(1), m)
    few = pair_slope(apart[:, 1:, 1:], kl_KxM[:, 1:], every(m - 1))
    assert np.isfinite(few.value)
    assert np.isnan([few.low, few.high]).all()
    whole = pair_slope(apart, kl_KxM, every(m))
    assert whole.low < whole.value < whole.high
    assert whole == pair_slope(apart, kl_KxM, every(m))


@pytest.mark.slow
@pytest.mark.parametrize("m", [12, 16])
def test_slopes_cover(m):
    rng = np.random.default_rng(2)
    truth = pair_slope(*plant(rng, 1500, spread=0.15), every(1500), resamples=1).value
    found = [
        pair_slope(*plant(rng, m, spread=0.15), every(m), resamples=500, seed=i) for i in range(300)
    ]
    assert np.mean([one.low <= truth <= one.high for one in found]) >= 0.9
