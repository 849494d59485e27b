"""Set measures on sets whose answer is known."""

import itertools

import numpy as np
import pytest

from identjax.statistics.rashomon import (
    ambiguity_by_size,
    discrepancy_by_size,
    measure_ambiguity,
    measure_capacity,
    measure_discrepancy,
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


def test_fewer_members_show_the_mean_over_all_their_sets():
    rng = np.random.default_rng(5)
    labels, kl = rng.integers(0, 3, (6, 20)), rng.uniform(size=6)
    sizes = [2, 3, 5, 6]
    ambiguity, discrepancy = [], []
    for n in sizes:
        sets = [list(rows) for rows in itertools.combinations(range(6), n)]
        ambiguity.append(np.mean([measure_ambiguity(labels[rows]) for rows in sets]))
        found = [measure_discrepancy(labels[rows], int(np.argmin(kl[rows]))) for rows in sets]
        discrepancy.append(np.mean(found))
    np.testing.assert_allclose(ambiguity_by_size(labels, sizes), ambiguity)
    np.testing.assert_allclose(discrepancy_by_size(labels, kl, sizes), discrepancy)
