"""Phenotypes: clusters of members that complete the same prompts alike.

Axes: M member, N prompt.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import scipy.cluster.hierarchy
import scipy.spatial.distance

from identjax.evaluation.divergences import measure_churn
from identjax.evaluation.eval_tables import select_rows
from identjax.evaluation.pairs import label_completions, pivot_rows

MOST_CLUSTERS = 8
CLEAR = 0.25


@dataclasses.dataclass(frozen=True)
class Example:
    """A prompt on which phenotypes differ, with the completion of each one's typical member."""

    prompt: str
    completions: tuple[str, ...]
    finished: tuple[bool, ...]


@dataclasses.dataclass(frozen=True)
class Phenotypes:
    """Members by cluster, the largest first: `cluster` [M] numbers from 0, `order` is that of the
    dendrogram (for heat maps), `typical` one member per cluster; `silhouette` is the mean over
    members, NaN for one cluster.
    """

    members: tuple[str, ...]
    cluster: tuple[int, ...]
    order: tuple[int, ...]
    typical: tuple[str, ...]
    silhouette: float
    examples: tuple[Example, ...]


def find_phenotypes(
    ids: Sequence[str], completions: pa.Table, split: str = "ood", examples: int = 6
) -> Phenotypes:
    """Cluster members by churn: the share of prompts that two of them complete differently.

    Average linkage; the number of clusters is the one of at most 8 with the greatest mean
    silhouette, or one where none is above 0.25. `completions` has the rows of one rung. The
    typical member of a cluster is the one nearest on average to its others. Examples are the
    prompts on which the typical members say the most different things.
    """
    ids = sorted(ids)
    labels_MxN = label_completions(ids, completions, split)
    churn_MxM = measure_churn(labels_MxN)
    order, cluster, silhouette = _cluster(churn_MxM)
    medoids = [_find_medoid(churn_MxM, cluster == k) for k in range(int(cluster.max()) + 1)]
    own = select_rows(completions, split=split)
    text_MxN = pivot_rows(ids, own, "completion")
    finished_MxN = pivot_rows(ids, own, "finished")
    prompt_N = pivot_rows(ids[:1], own, "prompt")[0]
    return Phenotypes(
        members=tuple(ids),
        cluster=tuple(int(k) for k in cluster),
        order=tuple(int(row) for row in order),
        typical=tuple(ids[row] for row in medoids),
        silhouette=silhouette,
        examples=tuple(
            Example(
                str(prompt_N[n]),
                tuple(str(text_MxN[row, n]) for row in medoids),
                tuple(bool(finished_MxN[row, n]) for row in medoids),
            )
            for n in _choose_prompts(labels_MxN[medoids], examples)
        ),
    )


def measure_silhouette(distance_MxM: np.ndarray, cluster_M: np.ndarray) -> float:
    """Mean over members of (b−a)/max(a, b): a the mean distance to the own cluster, b to the next.

    A member alone in its cluster counts 0. Rousseeuw 1987.

    >>> far = np.array([[0, 1, 9, 9], [1, 0, 9, 9], [9, 9, 0, 1], [9, 9, 1, 0]])
    >>> round(measure_silhouette(far, np.array([0, 0, 1, 1])), 3)
    0.889
    """
    numbers = np.unique(cluster_M)
    sizes = np.array([(cluster_M == k).sum() for k in numbers])
    sums = np.stack([distance_MxM[:, cluster_M == k].sum(1) for k in numbers], 1)
    own = np.searchsorted(numbers, cluster_M)
    rows = np.arange(len(cluster_M))
    a = sums[rows, own] / np.maximum(sizes[own] - 1, 1)
    others = sums / sizes
    others[rows, own] = np.inf
    b = others.min(1)
    top = np.maximum(a, b)
    value = np.where((sizes[own] > 1) & (top > 0), (b - a) / np.where(top > 0, top, 1), 0)
    return float(value.mean())


def _cluster(churn_MxM: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Give the order of the leaves, the cluster of each member and the mean silhouette."""
    m = len(churn_MxM)
    one = np.zeros(m, int)
    if m < 3:
        return np.arange(m), one, float("nan")
    flat = scipy.spatial.distance.squareform(churn_MxM, checks=False)
    tree = scipy.cluster.hierarchy.linkage(flat, "average", optimal_ordering=m <= 400)
    order = scipy.cluster.hierarchy.leaves_list(tree)
    best, chosen = CLEAR, one
    for count in range(2, min(MOST_CLUSTERS, m - 1) + 1):
        found = scipy.cluster.hierarchy.fcluster(tree, count, "maxclust") - 1
        if found.max() + 1 < count:
            continue
        silhouette = measure_silhouette(churn_MxM, found)
        if silhouette > best + 1e-9:
            best, chosen = silhouette, found
    # Clusters are numbered by size, then by their first member.
    numbers = sorted(
        set(chosen.tolist()), key=lambda k: (-(chosen == k).sum(), np.argmax(chosen == k))
    )
    renamed = np.array([numbers.index(k) for k in chosen])
    return order, renamed, best if len(numbers) > 1 else float("nan")


def _find_medoid(churn_MxM: np.ndarray, inside_M: np.ndarray) -> int:
    rows = np.flatnonzero(inside_M)
    return int(rows[np.argmin(churn_MxM[np.ix_(rows, rows)].sum(1))])


def _choose_prompts(labels_KxN: np.ndarray, count: int) -> list[int]:
    """Choose the prompts with the most different completions, spread over the list."""
    kinds_N = np.array([len(set(column)) for column in labels_KxN.T.tolist()])
    ranked = np.argsort(-kinds_N, kind="stable")
    top = ranked[kinds_N[ranked] > 1] if (kinds_N > 1).any() else ranked
    if len(top) <= count:
        return sorted(int(n) for n in top)
    best = top[kinds_N[top] == kinds_N[top[0]]]
    pool = np.sort(best) if len(best) >= count else np.sort(top[: max(count, len(best))])
    spread = np.unique(np.linspace(0, len(pool) - 1, count).astype(int))
    return [int(n) for n in pool[spread]]
