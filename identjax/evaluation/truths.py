"""The truths of a run: languages as some members were trained on them."""

import dataclasses
import functools
import json
from collections.abc import Iterable, Mapping
from typing import Any

from identjax import languages
from identjax.languages import Language
from identjax.schema import TRUTH


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
