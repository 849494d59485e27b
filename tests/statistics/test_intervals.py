"""Intervals cover what they say, and contrasts find what is there."""

import numpy as np
import pytest
import scipy.stats

from identjax.statistics.intervals import (
    Interval,
    adjust_holm,
    bca_interval,
    contrast_paired,
    contrast_unpaired,
    pair_interval,
    seed_interval,
    wilson_interval,
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


def test_pair_intervals_cover_at_eight_members():
    rng = np.random.default_rng(9)
    found = []
    for i in range(TRIALS):
        x = rng.normal(size=8)
        gaps = np.abs(x[:, None] - x[None, :])
        found.append(pair_interval(gaps, resamples=RESAMPLES, seed=i))
    assert covered(found, 2 / np.sqrt(np.pi)) >= 0.92


def test_pairs_of_a_member_with_itself_do_not_count():
    values = np.ones((6, 6))
    np.fill_diagonal(values, 100.0)
    assert pair_interval(values) == Interval(1.0, 1.0, 1.0, 6)


def test_pair_interval_keeps_to_the_pairs_that_are_meant():
    arms = np.array([0, 0, 0, 1, 1, 1])
    within = arms[:, None] == arms[None, :]
    values = np.where(within, 1.0, 7.0)
    assert pair_interval(values, within, cells=list(arms)).value == 1.0
    assert pair_interval(values, ~within, cells=list(arms)).value == 7.0


def test_equal_seeds_give_a_point_and_one_seed_gives_no_interval():
    assert seed_interval([0.5] * 8) == Interval(0.5, 0.5, 0.5, 8)
    one = seed_interval([0.5])
    assert (one.value, one.n) == (0.5, 1)
    assert np.isnan([one.low, one.high]).all()
    assert seed_interval([]).n == 0


def test_intervals_stay_inside_bounds():
    found = seed_interval([0.0, 0.0, 0.1, 0.9, 1.0, 1.0], bounds=(0, 1))
    assert 0 <= found.low < found.value < found.high <= 1


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
    null = [
        contrast_unpaired(rng.normal(size=8), rng.normal(size=8), RESAMPLES, seed=i).p_value
        for i in range(TRIALS)
    ]
    assert np.mean(np.array(null) < 0.05) <= 0.08
    assert contrast_unpaired(rng.normal(size=8) + 5, rng.normal(size=8)).p_value < 0.01


@pytest.mark.parametrize(("successes", "n"), [(0, 251), (69, 251), (251, 251)])
def test_wilson_holds_the_rate_and_stays_in_the_unit_interval(successes, n):
    found = wilson_interval(successes, n)
    assert 0 <= found.low <= successes / n <= found.high <= 1
    assert found.high - found.low > 0


def test_holm_is_monotone_and_never_below_the_raw_value():
    raw = [0.001, 0.2, 0.04, 0.9]
    adjusted = adjust_holm(raw)
    assert adjusted == [0.004, 0.4, 0.12, 0.9]
    assert adjust_holm([]) == []


def test_bca_of_a_mean_agrees_with_the_normal_interval_where_there_are_many():
    values = np.random.default_rng(5).normal(size=400)
    found = bca_interval(lambda rows: float(values[rows].mean()), [0] * 400)
    half = 1.96 * values.std(ddof=1) / 20
    assert found.low == pytest.approx(values.mean() - half, abs=0.02)
    assert found.high == pytest.approx(values.mean() + half, abs=0.02)


def test_the_same_seed_gives_the_same_interval():
    values = np.random.default_rng(6).normal(size=8)
    assert seed_interval(values, seed=1) == seed_interval(values, seed=1)
