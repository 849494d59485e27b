"""One language of one sweep: what the blocks of a page are made from."""

import dataclasses
import functools
import inspect
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from identjax.languages import Language
from identjax.query import reported, where
from identjax.report.gather import CELL, Source
from identjax.report.headline import Finding, find
from identjax.report.style import slug
from identjax.rungs import FINAL


@dataclasses.dataclass(frozen=True, eq=False)
class View:
    """A language of a sweep; `rung` is where its members are compared, None where none got near.

    view["rules"] are the rows of a table about that language, each with what its member is.
    """

    source: Source
    language: str
    finding: Finding

    @classmethod
    def of(cls, source: Source, language: str) -> "View":
        """Look at a language of a sweep."""
        return cls(source, language, find(source, language))

    def __getitem__(self, table: str) -> pa.Table:
        """Give the rows of a table about the language; those of all where it names none."""
        found = self.source.tables[table]
        named = "language" in found.column_names
        return where(found, language=self.language) if named else found

    def reported(self, table: str) -> pa.Table:
        """Give the rows about members that are reported on, not used to select something."""
        return where(reported(self.source.tables[table]), language=self.language)

    @property
    def rung(self) -> str | None:
        """The ε at which members are compared."""
        return self.finding.rung

    @property
    def at(self) -> str:
        """The rung at which members are compared: where they stopped, if no ε was reached."""
        return self.rung or FINAL

    @property
    def about(self) -> dict[str, Any]:
        """What a row of a CSV says of where it belongs."""
        return {"sweep": self.source.name, "language": self.language}

    def name(self, kind: str, *parts: str) -> str:
        """Name a figure."""
        return slug(kind, *self.source.prefix, self.language, *parts)

    @property
    def anchor(self) -> str:
        """The name of the place on the page."""
        return slug(*self.source.prefix, self.language)

    @functools.cached_property
    def max_length(self) -> int:
        """The length at which completions are cut off."""
        return int(self["members"]["max_length"][0].as_py())

    def prompt_length(self, split: str) -> int | None:
        """Give the number of symbols of the prompts of a split; None where it is unknown here."""
        if split == "bos":
            return 0
        return None if self.truth is None else self.truth.prompt_length

    def cell_name(self, choices: Mapping[str, Any]) -> str:
        """Name the cell of a row that has the choices of its members, as figures name it."""
        return self._cells[tuple(choices[name] for name in CELL)]

    @functools.cached_property
    def _cells(self) -> dict[tuple[str, ...], str]:
        columns = (self["members"][name].to_pylist() for name in CELL)
        keys = zip(*columns, strict=True)
        return dict(zip(keys, self["members"]["cell"].to_pylist(), strict=True))

    @functools.cached_property
    def truth(self) -> Language | None:
        """The language itself; None for one that is not registered here."""
        return self.source.truth(self.language)

    @property
    def description(self) -> str:
        """What the language is, in its own words; nothing where it is unknown here."""
        if self.truth is None:
            return ""
        first = inspect.cleandoc(type(self.truth.definition).__doc__ or "").split("\n\n")[0]
        return " ".join(first.split())
