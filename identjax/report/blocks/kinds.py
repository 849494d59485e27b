"""Kinds of behaviour among members of equal loss, and what each says to the same prompts."""

import dataclasses
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from identjax.query import floats, reported, where
from identjax.report.format import share
from identjax.report.gather import Source
from identjax.report.marks import Marked, Marker
from identjax.report.table import Row, Table, number, text, whole
from identjax.statistics.phenotypes import Phenotypes, find_phenotypes

FIELDS = (
    "sweep",
    "language",
    "rung",
    "kind",
    "members",
    "cells",
    "rule",
    "rate",
    "typical",
    "silhouette",
)
_FEWEST = 3


@dataclasses.dataclass(frozen=True)
class Kinds:
    """Clusters of members, a row on each, and prompts with a completion of each."""

    found: Phenotypes
    rows: tuple[Row, ...]
    examples: tuple[tuple[str, tuple[Marked, ...]], ...]

    @property
    def ordered(self) -> list[str]:
        """The members in the order of the dendrogram."""
        return [self.found.members[row] for row in self.found.order]


def find_kinds(source: Source, language: str, rung: str, rule: str) -> Kinds | None:
    """Cluster the members whose pairs were measured at a rung, by what they complete alike."""
    pairs = where(source.pairwise, language=language, rung=rung, split="ood")
    completions = where(reported(source.completions), language=language, rung=rung, split="ood")
    paired = set(pairs["member_a"].to_pylist()) | set(pairs["member_b"].to_pylist())
    ids = sorted(paired & set(completions["member_id"].to_pylist()))
    if len(ids) < _FEWEST:
        return None
    found = find_phenotypes(ids, where(completions, member_id=ids))
    about = {"sweep": source.name, "language": language, "rung": rung}
    rows = [about | row for row in _describe(source, found, rung, rule)]
    marker = Marker.of(source, language)
    examples = tuple(
        (
            example.prompt,
            tuple(
                marker.mark(example.prompt, *answer)
                for answer in zip(example.completions, example.finished, strict=True)
            ),
        )
        for example in found.examples
    )
    return Kinds(found, tuple(rows), examples)


def _describe(source: Source, found: Phenotypes, rung: str, rule: str) -> Iterator[Row]:
    ids = list(found.members)
    rates = where(source.rules, rung=rung, split="ood", rule=rule, member_id=ids)
    rate_of = dict(zip(rates["member_id"].to_pylist(), floats(rates, "rate"), strict=True))
    members = where(source.members, member_id=ids)
    cell_of = dict(zip(members["member_id"].to_pylist(), members["cell"].to_pylist(), strict=True))
    for kind, typical in enumerate(found.typical):
        own = [m for m, k in zip(ids, found.cluster, strict=True) if k == kind]
        own_rates = [rate_of[m] for m in own if not np.isnan(rate_of.get(m, np.nan))]
        cells = sorted(Counter(cell_of[m] for m in own).items())
        yield {
            "kind": kind + 1,
            "members": len(own),
            "cells": ", ".join(f"{count} {cell}" for cell, count in cells),
            "rate": float(np.mean(own_rates)) if own_rates else None,
            "typical": typical,
            "rule": rule,
            "silhouette": found.silhouette,
        }


def tabulate(rows: Sequence[Row]) -> Table:
    """Lay the kinds of behaviour under each other."""
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
    return Table("kinds", "Kinds of behaviour", caption, FIELDS, columns, tuple(rows))
