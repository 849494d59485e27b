"""The index on curves whose slopes are known."""

import numpy as np
import pytest

from identjax.statistics.identifiability import Panel, measure_index

MEMBERS = [f"m{i}" for i in range(8)]


def make_panel(
    slope_id, slope_ood, members=MEMBERS, epsilons=(1, 0.1, 0.01), spread=0.0, noise=0.0
):
    """Divergences that fall as ε to the power of a slope, with a factor for each pair."""
    rng, m = np.random.default_rng(0), len(members)

    def draw(scale, *shape):
        upper = np.triu(rng.normal(size=(*shape, m, m)), 1)
        return np.exp(scale * (upper + np.swapaxes(upper, -1, -2)))

    factor, rungs = 0.5 * draw(spread), np.array(epsilons)
    on, off = (
        factor * rungs[:, None, None] ** slope * draw(noise, len(rungs))
        for slope in (slope_id, slope_ood)
    )
    return Panel(list(members), rungs, on, off)


@pytest.mark.parametrize(("slope_ood", "index"), [(1.0, 1.0), (0.0, 0.0), (-0.2, -0.2), (0.5, 0.5)])
def test_the_index_is_the_ratio_of_the_slopes(slope_ood, index):
    found = measure_index(make_panel(1.0, slope_ood), resamples=50)
    assert found.slope_id == pytest.approx(1)
    assert found.index.value == pytest.approx(index, abs=1e-9)
    assert found.index.n == 8
    assert found.residual.value == pytest.approx(0.5 * 0.01**slope_ood / np.log(2))
    assert found.rungs == ("1", "0.1", "0.01")


def test_the_interval_holds_the_estimate():
    found = measure_index(make_panel(1.0, 0.3, spread=0.5, noise=0.3), resamples=200)
    assert found.index.low < found.index.value < found.index.high
    assert found.index.low < 0.3 < found.index.high


def test_too_little_gives_no_index():
    short = measure_index(make_panel(1, 1, epsilons=(1, 0.1)))
    few = measure_index(make_panel(1, 1, members=MEMBERS[:3]))
    none = measure_index(make_panel(1, 1, members=[], epsilons=()))
    for found in (short, few, none):
        assert np.isnan(found.index.value)


def test_a_pair_that_was_not_compared_does_not_count():
    panel = make_panel(1.0, 0.5)
    with_itself = np.where(np.eye(8, dtype=bool), np.nan, panel.off)
    found = measure_index(panel._replace(off=with_itself), resamples=50)
    assert found.index.value == pytest.approx(0.5)
