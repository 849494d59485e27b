"""What is said of intervals holds in fewer runs too."""

import pytest

from launch.calibration.bounded_means import RIVALS
from launch.calibration.design import DESIGNS, simulate
from launch.calibration.intervals import RATES


def test_every_law_of_rates_is_a_design() -> None:
    assert {f"intervals/rates {name}" for name in RATES} < set(DESIGNS)


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in DESIGNS if n.startswith("intervals/")])
def test_what_is_printed_covers(name: str) -> None:
    found = simulate(name, 200, 0)
    told = [one for one in found if one.quantity == "coverage"]
    assert told
    # Of 200 runs of .95, one in a hundred designs is below .9.
    assert all(one.value >= 0.9 for one in told)


@pytest.mark.slow
def test_ours_is_the_shortest_that_covers_every_law() -> None:
    covers, widths = dict.fromkeys(RIVALS, True), dict.fromkeys(("", *RIVALS), 0.0)
    for law in RATES:
        for one in simulate(f"intervals/rates {law}", 200, 0):
            if one.source == "n = 64":
                continue
            kind, _, rival = one.quantity.partition(" of ")
            if kind == "half-width":
                widths[rival] += one.value
            elif rival:
                covers[rival] &= one.value >= 0.92
    assert not covers["Student's t"]
    assert all(widths[""] < widths[name] for name, does in covers.items() if does)
