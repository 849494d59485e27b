"""Set measures on sets whose answer is known."""

import numpy as np
import pytest

from identjax.statistics.rashomon import (
    measure_ambiguity,
    measure_capacity,
    measure_discrepancy,
    measure_underspecification,
)


def laws(*rows):
    with np.errstate(divide="ignore"):
        return np.log(np.array(rows, np.float64))[:, None]


def test_a_set_that_agrees_has_nothing_to_tell():
    labels = np.tile(np.arange(7), (4, 1))
    assert measure_ambiguity(labels) == measure_discrepancy(labels, 0) == 0
    assert measure_capacity(laws([0.3, 0.7], [0.3, 0.7]))[0] == pytest.approx(0, abs=1e-9)


def test_one_member_flips_one_prompt_in_four():
    labels = np.zeros((5, 8), int)
    labels[2, :2] = 1
    labels[3, 4] = 1
    assert measure_ambiguity(labels) == 3 / 8
    assert measure_discrepancy(labels, reference=0) == 2 / 8
    assert measure_discrepancy(labels, reference=2) == 3 / 8


@pytest.mark.parametrize("count", [2, 3, 5])
def test_disjoint_laws_have_the_capacity_of_their_number(count):
    assert measure_capacity(laws(*np.eye(count)))[0] == pytest.approx(np.log(count), abs=1e-4)
    # A copy of a member adds nothing.
    twice = laws(*np.eye(count), *np.eye(count))
    assert measure_capacity(twice)[0] == pytest.approx(np.log(count), abs=1e-4)


@pytest.mark.parametrize("flip", [0.01, 0.1, 0.4])
def test_capacity_of_the_binary_symmetric_channel(flip):
    entropy = -flip * np.log(flip) - (1 - flip) * np.log(1 - flip)
    found = measure_capacity(laws([1 - flip, flip], [flip, 1 - flip]))[0]
    assert found == pytest.approx(np.log(2) - entropy, abs=2e-4)


def test_capacity_of_the_z_channel():
    flip = 0.5
    wanted = np.log1p((1 - flip) * flip ** (flip / (1 - flip)))
    found = measure_capacity(laws([1, 0], [flip, 1 - flip]))[0]
    assert found == pytest.approx(wanted, abs=2e-4)


def test_prompts_are_separate():
    both = np.concatenate([laws([1, 0], [0, 1]), laws([0.5, 0.5], [0.5, 0.5])], 1)
    assert measure_capacity(both) == pytest.approx([np.log(2), 0], abs=1e-4)


def test_underspecification_without_spread_in_distribution():
    same, apart = np.ones(3), np.array([0.1, 0.5, 0.9])
    assert measure_underspecification(apart, same) == np.inf
    assert np.isnan(measure_underspecification(same, same))
    assert measure_underspecification(same, apart) == 0
