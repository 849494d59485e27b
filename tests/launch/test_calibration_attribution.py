"""What shares are found of planted ones, in a few data sets."""

import math

import numpy as np
import pytest

import launch.calibration  # noqa: F401 (registers designs)
from launch.calibration.attribution import PLANTED
from launch.calibration.design import DESIGNS, simulate


@pytest.mark.parametrize("name", ["planted_gaps", "distances_half"])
def test_a_design_says_what_was_found_of_each_source(name: str) -> None:
    found = simulate(f"attribution/{name}", 3, 0)
    values = {(one.source, one.quantity): one.value for one in found}
    assert values["architecture", "mean share"] == pytest.approx(
        values["architecture", "planted share"], abs=0.2
    )
    assert {"covered by its interval", "p at most .05"} <= {quantity for _, quantity in values}
    truth = sum(value for (_, quantity), value in values.items() if quantity == "planted share")
    assert truth == pytest.approx(1, abs=0.1)
    assert {f"attribution/{own}" for own in PLANTED} <= set(DESIGNS)


@pytest.mark.slow
@pytest.mark.parametrize("name", PLANTED)
def test_a_hundred_data_sets_are_split_as_well_as_luck_allows(name: str) -> None:
    for one in simulate(f"attribution/{name}", 100, 0):
        if not one.verdict:
            continue
        # Three standard errors of a rate of .95, and of a mean share of which one has at most .2.
        luck = 3 * math.sqrt(0.95 * 0.05 / 100)
        assert one.low - luck <= one.value <= one.high + luck, one
        assert np.isfinite(one.value)
