"""Clusters of distances whose answer is known."""

import numpy as np
import pytest

from identjax.statistics.clusters import find_clusters, measure_silhouette


def distances(places):
    places = np.asarray(places, float)
    return np.abs(places[:, None] - places[None, :])


def test_the_largest_comes_first_and_the_middle_one_is_typical():
    found = find_clusters(distances([50, 0, 51, 1, 2.5]))
    assert found.cluster_M.tolist() == [1, 0, 1, 0, 0]
    assert found.typical_K.tolist() == [3, 0]
    assert found.silhouette == pytest.approx(
        measure_silhouette(distances([50, 0, 51, 1, 2.5]), found.cluster_M)
    )


def test_clusters_of_one_size_stand_in_the_order_of_their_members():
    assert find_clusters(distances([9, 0, 9.5, 0.5])).cluster_M.tolist() == [0, 1, 0, 1]


def test_there_are_at_most_eight():
    found = find_clusters(distances(np.repeat(100 * 2.0 ** np.arange(12), 2)))
    assert len(found.typical_K) == found.cluster_M.max() + 1 == 8


@pytest.mark.parametrize("count", [1, 2])
def test_too_few_members_are_one_cluster(count):
    found = find_clusters(distances(np.arange(count)))
    assert found.cluster_M.tolist() == [0] * count
    assert np.isnan(found.silhouette)
