"""The truths of a run: languages as some members were trained on them."""

import dataclasses
import functools
import json
from collections.abc import Iterable, Mapping

from identjax import languages
from identjax.languages.language import Language
from identjax.training.objective import MLE


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
        return {
            "language": self.name,
            "max_length": self.max_length,
            "language_options": self.options,
        }

    @functools.cached_property
    def language(self) -> Language:
        """The language itself, built when it is first needed."""
        return languages.make(self.name, self.max_length, **json.loads(self.options))


def find_truths(members: Iterable[Mapping[str, object]]) -> list[Truth]:
    """Tell the truths of some rows of members.parquet apart, in order."""
    found: dict[tuple[str, int, str], dict[str, str]] = {}
    for row in members:
        key = (str(row["language"]), int(str(row["max_length"])), str(row["language_options"]))
        own = found.setdefault(key, {})
        own[str(row["member_id"])] = str(row.get("objective", MLE))
    return [
        Truth(*key, members=tuple(sorted(own)), objectives=tuple(sorted(set(own.values()))))
        for key, own in sorted(found.items())
    ]
