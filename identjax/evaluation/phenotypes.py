"""Phenotypes: clusters of members that complete the same prompts alike.

Axes: K cluster, N prompt.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from identjax.evaluation.divergences import measure_churn
from identjax.evaluation.pair_tables import label_completions, pivot_rows
from identjax.query import where
from identjax.statistics.clusters import find_clusters


@dataclasses.dataclass(frozen=True)
class Example:
    """A prompt on which phenotypes differ, with the completion of each one's typical member."""

    prompt: str
    completions: tuple[str, ...]
    finished: tuple[bool, ...]


@dataclasses.dataclass(frozen=True)
class Phenotypes:
    """Members with their clusters, as `Clusters` says; `typical` names one member per cluster."""

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

    `completions` has the rows of one rung. Examples are the prompts on which the typical members
    say the most different things.
    """
    ids = sorted(ids)
    labels_MxN = label_completions(ids, completions, split)
    found = find_clusters(measure_churn(labels_MxN))
    typical = [ids[row] for row in found.typical_K]
    own = where(completions, split=split, member_id=typical)
    text_KxN = pivot_rows(typical, own, "completion")
    finished_KxN = pivot_rows(typical, own, "finished")
    prompt_N = pivot_rows(typical[:1], own, "prompt")[0]
    return Phenotypes(
        members=tuple(ids),
        cluster=tuple(found.cluster_M.tolist()),
        order=tuple(found.order_M.tolist()),
        typical=tuple(typical),
        silhouette=found.silhouette,
        examples=tuple(
            Example(prompt_N[n], tuple(text_KxN[:, n]), tuple(finished_KxN[:, n].tolist()))
            for n in _choose_prompts(labels_MxN[found.typical_K], examples)
        ),
    )


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
