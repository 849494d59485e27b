"""Kinds of behaviour among members of equal loss, and what each says to the same prompts."""

import functools
from collections import Counter
from collections.abc import Iterator

import numpy as np

from identjax.evaluation.pair_tables import members_of
from identjax.evaluation.phenotypes import Phenotypes, find_phenotypes
from identjax.query import distinct, pairs_of, where
from identjax.report.block import Block, block
from identjax.report.format import share
from identjax.report.marks import Marker
from identjax.report.table import Column, Marked, Row, Table, number, text, whole
from identjax.report.view import View
from identjax.schema import schema_of

SCHEMA = schema_of(
    **dict.fromkeys(("sweep", "language", "rung"), str),
    **dict.fromkeys(("kind", "members"), int),
    **dict.fromkeys(("cells", "rule"), str),
    rate=float,
    typical=str,
    silhouette=float,
)
_FEWEST = 3


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
def find_kinds(view: View) -> Phenotypes | None:
    """Cluster the members whose pairs were measured at a rung, by what they complete alike."""
    pairs = where(view["pairwise"], rung=view.at, split="ood")
    completions = where(view.reported("completions"), rung=view.at, split="ood")
    ids = sorted(members_of(pairs) & {*distinct(completions, "member_id")})
    if len(ids) < _FEWEST:
        return None
    return find_phenotypes(ids, where(completions, member_id=ids))


def _describe(view: View, found: Phenotypes) -> Iterator[Row]:
    rates = where(view["rules"], rung=view.at, split="ood", rule=view.finding.rule)
    rate_of = pairs_of(rates, "member_id", "rate")
    cell_of = pairs_of(view["members"], "member_id", "cell")
    for kind, typical in enumerate(found.typical):
        own = [m for m, k in zip(found.members, found.cluster, strict=True) if k == kind]
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
            "silhouette": found.silhouette,
        }


def _lay_out(found: Phenotypes, marker: Marker) -> Table:
    """Lay the completions of the kinds beside each other, prompt by prompt."""

    def answer(place: int) -> Column:
        def write(row: Row) -> Marked:
            return marker.mark(row["prompt"], *row["answers"][place])

        return Column(f"kind {place + 1}", write, number=False)

    rows = tuple(
        {"prompt": one.prompt, "answers": list(zip(one.completions, one.finished, strict=True))}
        for one in found.examples
    )
    prompt = Column("prompt", lambda row: Marked(((row["prompt"], "end"),)), number=False)
    return Table(rows, (prompt, *map(answer, range(len(found.typical)))))
