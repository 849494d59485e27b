"""Intervals cover what they say, and contrasts find what is there."""

import numpy as np
import pytest
import scipy.stats

from identjax.statistics.binomial import clopper_pearson
from identjax.statistics.intervals import (
    FEWEST,
    SHARES,
    adjust_holm,
    contrast_paired,
    contrast_unpaired,
    pair_interval,
    plan_seeds,
    seed_interval,
)

TRIALS, RESAMPLES = 600, 1000
DRAWS = {
    "normal": scipy.stats.norm(),
    "rates": scipy.stats.beta(2, 2),
    "skewed": scipy.stats.expon(),
}


def covered(trials, truth):
    return np.mean([one.low <= truth <= one.high for one in trials])


@pytest.mark.parametrize("trim", [0.0, 0.25])
@pytest.mark.parametrize("name", DRAWS)
def test_seed_intervals_cover_at_eight_seeds(name, trim):
    """Of means, and of interquartile means."""
    law, rng = DRAWS[name], np.random.default_rng(7)
    middle = law.ppf(np.linspace(trim, 1 - trim, 10_001)[1:-1]).mean()
    truth = middle if trim else law.mean()
    draws = law.rvs((TRIALS, 8), random_state=rng)
    few = {"trim": trim, "resamples": RESAMPLES}
    found = [seed_interval(values, **few, seed=i) for i, values in enumerate(draws)]
    assert covered(found, truth) >= 0.92


def test_stratified_seed_intervals_cover():
    rng = np.random.default_rng(8)
    cells = [0] * 8 + [1] * 8
    shift = np.repeat([0.0, 5.0], 8)
    few = {"cells": cells, "resamples": RESAMPLES}
    found = [seed_interval(rng.normal(size=16) + shift, **few, seed=i) for i in range(TRIALS)]
    assert covered(found, 2.5) >= 0.92
    # Resampling across the cells would take their distance for noise.
    assert np.mean([one.high - one.low for one in found]) < 2


def test_pair_interval_keeps_to_the_pairs_that_are_meant():
    arms = np.array([0, 0, 0, 1, 1, 1])
    within = arms[:, None] == arms[None, :]
    values = np.where(within, 1.0, 7.0)
    assert pair_interval(values, within).value == 1.0
    assert pair_interval(values, ~within).value == 7.0


def test_interquartile_mean_ignores_a_diverged_seed():
    calm, wild = [1.0] * 7 + [1.0], [1.0] * 7 + [1e9]
    assert seed_interval(wild, trim=0.25).value == seed_interval(calm, trim=0.25).value == 1.0


def test_paired_contrast_uses_the_pairing():
    rng = np.random.default_rng(3)
    shared = 10 * rng.normal(size=8)
    a, b = shared + 1 + 0.01 * rng.normal(size=8), shared
    paired, unpaired = contrast_paired(a, b), contrast_unpaired(a, b)
    assert paired.p_value == 2 / 2**8
    assert paired.difference.low > 0.9
    assert unpaired.p_value > 0.5


def test_unpaired_contrast_holds_its_level_and_finds_a_shift():
    rng = np.random.default_rng(4)
    draws = rng.normal(size=(TRIALS, 2, 8))
    null = [
        contrast_unpaired(*draw, resamples=RESAMPLES, seed=i).p_value
        for i, draw in enumerate(draws)
    ]
    assert np.mean(np.array(null) < 0.05) <= 0.08
    assert contrast_unpaired(rng.normal(size=8) + 5, rng.normal(size=8)).p_value < 0.01


def test_holm_is_monotone_and_never_below_the_raw_value():
    raw = [0.001, 0.2, 0.04, 0.9]
    adjusted = adjust_holm(raw)
    assert adjusted == [0.004, 0.4, 0.12, 0.9]
    assert adjust_holm([]) == []


def test_the_same_seed_gives_the_same_interval():
    values = np.random.default_rng(6).normal(size=8)
    assert seed_interval(values, seed=1) == seed_interval(values, seed=1)


def test_below_five_values_nothing_has_an_interval():
    rng = np.random.default_rng(10)
    few = rng.uniform(size=FEWEST - 1)
    found = [
        seed_interval(few),
        seed_interval(few, bounds=SHARES),
        contrast_paired(few, few**2).difference,
        pair_interval(np.abs(few[:, None] - few[None, :])),
    ]
    assert all(np.isnan([one.low, one.high]).all() and one.n == FEWEST - 1 for one in found)
    assert np.isfinite([one.value for one in found]).all()
    assert np.isfinite(seed_interval([*few, 0.5], bounds=SHARES).low)
    assert seed_interval([]).n == 0


def test_equal_seeds_say_how_far_others_may_lie_where_there_are_bounds():
    """Then the interval is Clopper and Pearson's; where there are none, nothing can be said."""
    for successes, n in ((0, 16), (16, 16), (5, 16)):
        found = seed_interval([1.0] * successes + [0.0] * (n - successes), bounds=SHARES)
        low, high = clopper_pearson(successes, n)
        assert found.low == pytest.approx(float(low), abs=0.01)
        assert found.high == pytest.approx(float(high), abs=0.01)
    assert np.isnan(seed_interval([0.5] * 8).low)


def test_intervals_stay_inside_bounds_and_scale_with_them():
    values = np.array([0.0, 0.0, 0.1, 0.9, 1.0, 1.0])
    found = seed_interval(values, bounds=SHARES)
    assert 0 <= found.low < found.value < found.high <= 1
    wide = seed_interval(10 * values - 5, bounds=(-5, 5))
    assert wide.low == pytest.approx(10 * found.low - 5)
    assert np.isnan(seed_interval(values, trim=0.25, bounds=SHARES).low)


def test_an_unlike_seed_does_not_make_the_interval_explode():
    found = seed_interval([0.41, *[0.98] * 6, 1.0], bounds=SHARES)
    assert found.low > 0.5
    assert found.high < 0.9999


def test_bounded_contrasts_hold_the_difference():
    rng = np.random.default_rng(11)
    a, b = rng.beta(20, 2, 12), rng.beta(2, 20, 12)
    gap = a.mean() - b.mean()
    for found in (contrast_unpaired(a, b, SHARES), contrast_paired(a, b, SHARES)):
        assert -1 <= found.difference.low < gap < found.difference.high <= 1
        assert found.difference.low > 0
    turned = contrast_unpaired(b, a, SHARES).difference
    assert turned.high == pytest.approx(-contrast_unpaired(a, b, SHARES).difference.low, abs=0.02)


@pytest.mark.parametrize("n", [5, 8, 16])
def test_bounded_intervals_cover_whatever_the_law(n):
    rng = np.random.default_rng(12)
    laws = {
        "two kinds": lambda: np.where(rng.random(n) < 0.8, 0.1, 0.9),
        "near one": lambda: rng.beta(20, 1, n),
        "rare": lambda: np.where(rng.random(n) < 0.97, 1.0, 0.3),
    }
    means = {"two kinds": 0.26, "near one": 20 / 21, "rare": 0.979}
    for name, law in laws.items():
        few = {"bounds": SHARES, "resamples": RESAMPLES}
        found = [seed_interval(law(), **few, seed=i) for i in range(TRIALS // 2)]
        assert covered(found, means[name]) >= 0.95, name


def test_seeds_are_planned_for_the_interval_that_is_printed():
    rng = np.random.default_rng(13)
    like = rng.beta(4, 6, 200)
    n = plan_seeds(like, 0.05)
    assert n < plan_seeds(like, 0.03)
    assert plan_seeds([1.0] * 8, 0.05) == pytest.approx(36, abs=2)  # .025^(1/n) = .9
    found = [
        seed_interval(rng.choice(like, n), bounds=SHARES, resamples=RESAMPLES) for _ in range(200)
    ]
    assert np.mean([one.high - one.low for one in found]) / 2 == pytest.approx(0.05, rel=0.05)


@pytest.mark.parametrize("n", [5, 8, 16])
def test_pair_intervals_cover_where_members_are_of_two_kinds(n):
    """There every pair of one kind is at 0, and the pairs hang together."""
    rng = np.random.default_rng(9)
    found = []
    for i in range(TRIALS // 2):
        kind = (rng.random(n) < 0.5).astype(float)
        gaps = np.abs(kind[:, None] - kind[None, :])
        found.append(pair_interval(gaps, resamples=RESAMPLES, seed=i))
    assert covered(found, 0.5) >= 0.92
    assert all(0 <= one.low <= one.high <= 1 for one in found)


def test_pairs_of_a_member_with_itself_do_not_count():
    values = np.full((6, 6), 0.5)
    np.fill_diagonal(values, 100.0)
    found = pair_interval(values)
    assert (found.value, found.n) == (0.5, 6)
    assert 0 < found.low < 0.5 < found.high < 1


def test_pair_intervals_narrow_with_members():
    rng = np.random.default_rng(14)

    def width(m):
        places = rng.uniform(size=m)
        found = pair_interval(np.abs(places[:, None] - places[None, :]))
        return found.high - found.low

    assert width(256) < 0.1 < width(16) < width(5)
