"""Clusters of members that are near each other. Axes: M member, K cluster."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from identjax.statistics.intervals import Array

Rows = npt.NDArray[np.int64]
MOST_CLUSTERS = 8
CLEAR = 0.25


class Clusters(NamedTuple):
    """Members by cluster, the largest first: `cluster_M` numbers from 0, `order_M` is that of the
    dendrogram (for heat maps), `typical_K` has one member per cluster; `silhouette` is the mean
    over members, NaN for one cluster.
    """

    cluster_M: Rows
    order_M: Rows
    typical_K: Rows
    silhouette: float


def find_clusters(distance_MxM: Array) -> Clusters:
    """Cluster members by their distances.

    Average linkage; the number of clusters is the one of at most 8 with the greatest mean
    silhouette, or one where none is above 0.25. The typical member of a cluster is the one
    nearest on average to its others.

    >>> far = np.array([[0, 9, 9, 9, 9], [9, 0, 9, 1, 2], [9, 9, 0, 9, 9], [9, 1, 9, 0, 1.5],
    ...                 [9, 2, 9, 1.5, 0]])
    >>> find_clusters(far).cluster_M.tolist(), find_clusters(far).typical_K.tolist()
    ([1, 0, 2, 0, 0], [3, 0, 2])
    """
    order_M, chosen_M, silhouette = _cut_tree(distance_MxM)
    # Clusters are numbered by size, then by their first member.
    numbers, first, sizes = np.unique(chosen_M, return_index=True, return_counts=True)
    place = np.argsort(np.lexsort((first, -sizes)))
    cluster_M = place[np.searchsorted(numbers, chosen_M)]
    inside = [np.flatnonzero(cluster_M == k) for k in range(len(numbers))]
    typical = [own[np.argmin(distance_MxM[np.ix_(own, own)].sum(1))] for own in inside]
    return Clusters(cluster_M, order_M, np.array(typical), silhouette)


def _cut_tree(distance_MxM: Array) -> tuple[Rows, Rows, float]:
    """Give the order of the leaves, the cluster of each member and the mean silhouette."""
    m = len(distance_MxM)
    best, chosen_M = CLEAR, np.zeros(m, np.int64)
    if m < 3:
        return np.arange(m), chosen_M, np.nan
    import scipy.cluster.hierarchy  # takes a good part of a second, which every command would wait
    import scipy.spatial.distance

    flat = scipy.spatial.distance.squareform(distance_MxM, checks=False)
    tree = scipy.cluster.hierarchy.linkage(flat, "average", optimal_ordering=m <= 400)
    for count in range(2, min(MOST_CLUSTERS, m - 1) + 1):
        found_M = scipy.cluster.hierarchy.fcluster(tree, count, "maxclust") - 1
        if found_M.max() + 1 < count:
            continue
        silhouette = measure_silhouette(distance_MxM, found_M)
        if silhouette > best + 1e-9:
            best, chosen_M = silhouette, found_M
    order_M = scipy.cluster.hierarchy.leaves_list(tree)
    return order_M, chosen_M, best if chosen_M.any() else np.nan


def measure_silhouette(distance_MxM: Array, cluster_M: Rows) -> float:
    """Mean over members of (b−a)/max(a, b): a the mean distance to the own cluster, b to the next.

    A member alone in its cluster counts 0. Rousseeuw 1987.

    >>> far = np.array([[0, 1, 9, 9], [1, 0, 9, 9], [9, 9, 0, 1], [9, 9, 1, 0]])
    >>> round(measure_silhouette(far, np.array([0, 0, 1, 1])), 3)
    0.889
    """
    numbers, own, sizes = np.unique(cluster_M, return_inverse=True, return_counts=True)
    sums = np.stack([distance_MxM[:, cluster_M == k].sum(1) for k in numbers], 1)
    rows = np.arange(len(cluster_M))
    a = sums[rows, own] / np.maximum(sizes[own] - 1, 1)
    others = sums / sizes
    others[rows, own] = np.inf
    b = others.min(1)
    top = np.maximum(a, b)
    value = np.where((sizes[own] > 1) & (top > 0), (b - a) / np.where(top > 0, top, 1), 0)
    return float(value.mean())
