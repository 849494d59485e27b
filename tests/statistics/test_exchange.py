"""Arrangements: each that differs once where there are few, and only of what may change places."""

import itertools

import numpy as np
import pytest

from identjax.statistics.exchange import Move, arrange

ZERO = np.zeros(6, int)


def test_all_different_orders_of_labels_are_listed_once():
    labels = np.array([0, 0, 1, 1, 1, 2])
    found = arrange(Move(np.arange(6), ZERO, ZERO, labels))
    listed = [tuple(labels[rows]) for rows in found.rows_AxN]
    assert set(listed) == set(itertools.permutations(labels))
    assert len(listed) == len(set(listed)) == 60
    assert found.all_there_are
    np.testing.assert_array_equal(found.rows_AxN[0], np.arange(6))
    assert found.least_p == 1 / 60


def test_blocks_move_whole_and_stay_in_their_stratum():
    blocks, strata = np.array([0, 0, 1, 1, 2, 2]), np.array([0, 0, 0, 0, 1, 1])
    places, labels = np.array([0, 1, 1, 0, 0, 1]), np.array([0, 0, 1, 1, 0, 0])
    found = arrange(Move(blocks, strata, places, labels))
    assert sorted(map(tuple, found.rows_AxN)) == [(0, 1, 2, 3, 4, 5), (3, 2, 1, 0, 4, 5)]
    assert found.least_p == 0.5


def test_blocks_with_members_at_other_places_change_places_only_by_label():
    blocks, places = np.array([0, 0, 0, 1, 1, 1]), np.array([0, 1, 2, 0, 1, 3])
    labels = np.array([0, 0, 0, 1, 1, 1])
    move = Move(blocks, ZERO, places, labels)
    assert len(arrange(move).rows_AxN) == 1
    found = arrange(move._replace(alike=False))
    assert {tuple(labels[rows]) for rows in found.rows_AxN} == {
        (0, 0, 0, 1, 1, 1),
        (1, 1, 1, 0, 0, 0),
    }


@pytest.mark.parametrize("alike", [True, False])
def test_many_are_drawn_and_each_keeps_the_number_of_every_label(alike):
    labels = np.repeat([0, 1], 12)
    found = arrange(
        Move(np.arange(24), ZERO[:1].repeat(24), ZERO[:1].repeat(24), labels, alike), 50
    )
    assert found.rows_AxN.shape == (51, 24)
    assert not found.all_there_are
    assert found.least_p == 1 / 51
    assert (labels[found.rows_AxN].sum(1) == 12).all()
    assert len({tuple(rows) for rows in found.rows_AxN}) == 51
