"""What is evaluated: the members of a run, and the truths that they were trained on."""

import dataclasses
import functools
import json
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import pyarrow as pa

from identjax import languages
from identjax.languages import Language
from identjax.predictor import Predictor
from identjax.schema import TRUTH
from identjax.store import Store

Stacks = Mapping[str, tuple[Sequence[str], Predictor]]


class Results(Protocol):
    """Members, their snapshots by rung, and the folder in which evaluations are kept.

    A results folder is one, and so is anything else that gives these.
    """

    store: Store
    workdir: pathlib.Path
    sweep: dict[str, Any]
    unusable: list[tuple[str, str, str]]

    def members(self) -> pa.Table:
        """Give a row for each member, with every field of its configuration."""

    def curves(self) -> pa.Table | None:
        """Give the training curves."""

    def snapshots(self) -> pa.Table:
        """List the snapshots: member_id, group, rung, step."""

    def rungs(self) -> list[str]:
        """List the rungs that some member has."""

    def predictors(self, rung: str = ..., members: list[str] | None = ...) -> Any:
        """Give members at a rung as one stacked Predictor per group, with their ids."""


@dataclasses.dataclass(frozen=True)
class Truth:
    """A language as some members were trained on it, those members, and their objectives."""

    name: str
    max_length: int
    options: str
    members: tuple[str, ...]
    objectives: tuple[str, ...]

    @property
    def names(self) -> dict[str, str | int]:
        """The columns that say which truth a row is about."""
        return dict(zip(TRUTH, (self.name, self.max_length, self.options), strict=True))

    @functools.cached_property
    def language(self) -> Language:
        """The language itself, built when it is first needed."""
        return languages.make(self.name, self.max_length, **json.loads(self.options))


def find_truths(members: Iterable[Mapping[str, Any]]) -> list[Truth]:
    """Tell the truths of some rows of members.parquet apart, in order."""
    found: dict[tuple[Any, ...], dict[str, str]] = {}
    for row in members:
        key = tuple(row[name] for name in TRUTH)
        found.setdefault(key, {})[row["member_id"]] = row["objective"]
    return [
        Truth(name, length, options, tuple(sorted(own)), tuple(sorted(set(own.values()))))
        for (name, length, options), own in sorted(found.items())
    ]
