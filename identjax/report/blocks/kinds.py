"""Kinds of behaviour among members of equal loss, and what each says to the same prompts."""

import functools
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from identjax.evaluation.divergences import measure_churn
from identjax.evaluation.pair_tables import label_completions, members_of, pivot_rows
from identjax.query import distinct, pairs_of, where
from identjax.report.block import Block, block
from identjax.report.format import share
from identjax.report.marks import PROMPT, Marker
from identjax.report.table import Row, Table, number, text, whole
from identjax.report.view import View
from identjax.schema import schema_of
from identjax.statistics.clusters import Clusters, find_clusters

SCHEMA = schema_of(
    **dict.fromkeys(("sweep", "language", "rung"), str),
    **dict.fromkeys(("kind", "members"), int),
    **dict.fromkeys(("cells", "rule"), str),
    rate=float,
    typical=str,
    silhouette=float,
)
_FEWEST = 3


class Kinds(NamedTuple):
    """Members with their clusters, one typical member of each, and prompts on which these differ.

    Beside the prompt of an example stand the completions of the typical members, each with
    whether it is finished.
    """

    members: Sequence[str]
    clusters: Clusters
    typical: list[str]
    examples: tuple[Row, ...]


@block("kinds", SCHEMA, place=410)
def show(view: View) -> Block:
    """List the kinds, and what the typical member of each says to the same prompts."""
    found = find_kinds(view)
    if found is None:
        return Block(rows=())
    rows = tuple(_describe(view, found))
    if len(rows) == 1:
        alone = "No clear kinds: the completions of these members form one cluster."
        return Block(sentences=(alone,), rows=rows)
    caption = (
        "Clusters of members by churn, the share of prompts on which their completions differ "
        "(average linkage; as many clusters as give the clearest silhouette, one where none is "
        "clear). The rate is that of the headline's rule; the typical member is nearest to the "
        "others of its kind."
    )
    columns = (
        whole("kind", "kind"),
        whole("members", "members"),
        text("of", "cells"),
        number("mean rate", "rate", share),
        text("typical member", "typical"),
    )
    tables = Table(rows, columns, caption), _lay_out(found, Marker(view.truth))
    return Block("Kinds of behaviour", tables=tables)


# The heat map has the order of the same clusters.
@functools.lru_cache(maxsize=1)
def find_kinds(view: View) -> Kinds | None:
    """Cluster the members whose pairs were measured at a rung, by what they complete alike."""
    pairs = where(view["pairwise"], rung=view.at, split="ood")
    completions = where(view.reported("completions"), rung=view.at, split="ood")
    ids = sorted(members_of(pairs) & {*distinct(completions, "member_id")})
    if len(ids) < _FEWEST:
        return None
    return cluster_members(ids, completions)


def cluster_members(ids: Sequence[str], completions: pa.Table, examples: int = 6) -> Kinds:
    """Cluster members by churn: the share of prompts that two of them complete differently.

    `completions` has the rows of one rung out of distribution. Examples are the prompts on which
    the typical members say the most different things.
    """
    labels_MxN = label_completions(ids, completions, "ood")
    found = find_clusters(measure_churn(labels_MxN))
    typical = [ids[row] for row in found.typical_K]
    texts_KxN = pivot_rows(typical, completions, "completion")
    finished_KxN = pivot_rows(typical, completions, "finished")
    prompts_N = pivot_rows(typical[:1], completions, "prompt")[0]
    said = tuple(
        {
            "prompt": prompts_N[n],
            "answers": [*zip(texts_KxN[:, n], finished_KxN[:, n], strict=True)],
        }
        for n in _choose_prompts(labels_MxN[found.typical_K], examples)
    )
    return Kinds(ids, found, typical, said)


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


def _describe(view: View, found: Kinds) -> Iterator[Row]:
    rates = where(view["rules"], rung=view.at, split="ood", rule=view.finding.rule)
    rate_of = pairs_of(rates, "member_id", "rate")
    cell_of = pairs_of(view["members"], "member_id", "cell")
    for kind, typical in enumerate(found.typical):
        own = [m for m, k in zip(found.members, found.clusters.cluster_M, strict=True) if k == kind]
        own_rates = [rate_of[m] for m in own if rate_of.get(m) is not None]
        cells = sorted(Counter(cell_of[m] for m in own).items())
        yield view.about | {
            "rung": view.at,
            "kind": kind + 1,
            "members": len(own),
            "cells": ", ".join(f"{count} {cell}" for cell, count in cells),
            "rule": view.finding.rule,
            "rate": float(np.mean(own_rates)) if own_rates else None,
            "typical": typical,
            "silhouette": found.clusters.silhouette,
        }


def _lay_out(found: Kinds, marker: Marker) -> Table:
    """Lay the completions of the kinds beside each other, prompt by prompt."""
    kinds = [f"kind {place + 1}" for place in range(len(found.typical))]
    rows = tuple(
        {"prompt": row["prompt"], **dict(zip(kinds, row["answers"], strict=True))}
        for row in found.examples
    )
    return Table(rows, (PROMPT, *(marker.column(kind, kind) for kind in kinds)))
