"""Blocks: what the page says, one thing each, under a registered name.

A block has a title, sentences, figures and tables, and a twin of its rows as a CSV file. The page
goes through BLOCKS, and knows no other list of what there is.
"""

import dataclasses
import html
import re
from collections.abc import Callable
from typing import Any

import pyarrow as pa

from identjax.errors import ConfigError
from identjax.registry import Registry
from identjax.report.table import Row, Table
from identjax.schema import check_rows


@dataclasses.dataclass(frozen=True)
class Drawing:
    """A figure ready for the page: its file name, its SVG, what it shows and what n is."""

    name: str
    svg: str
    title: str
    caption: str

    @property
    def inline(self) -> str:
        """The SVG for an HTML page: no prolog, no namespaces, named for screen readers."""
        start = self.svg.index("<svg")
        end = self.svg.index(">", start)
        root = re.sub(r'\s(xmlns|version|width|height)="[^"]*"', "", self.svg[start:end])
        label = html.escape(self.title, quote=True)
        return f'{root} role="img" aria-label="{label}"{self.svg[end:]}'


@dataclasses.dataclass(frozen=True)
class Block:
    """One thing that the page says; whatever is empty is left out.

    `beside` is how many figures stand side by side. `rows` are those of the CSV; without them,
    they are those of the first table. `headline` says in half a sentence what was found, where
    no rule of the language says it. `terms` are words with what they mean.
    """

    title: str = ""
    sentences: tuple[str, ...] = ()
    figures: tuple[Drawing, ...] = ()
    beside: int = 1
    tables: tuple[Table, ...] = ()
    rows: tuple[Row, ...] | None = None
    headline: str = ""
    terms: tuple[tuple[str, str], ...] = ()

    @property
    def csv_rows(self) -> tuple[Row, ...]:
        """The rows of the CSV twin."""
        if self.rows is not None:
            return self.rows
        return self.tables[0].rows if self.tables else ()


@dataclasses.dataclass(frozen=True)
class Entry:
    """A registered block: how it is made, where it stands, and the columns of its CSV.

    `place` is its order on the page. A block `of` a "language" is made from the View of one, a
    block of the "page" from the list of all Views, above (place below 0) or below the languages.
    """

    name: str
    function: Callable[[Any], Block | None]
    schema: pa.Schema | None
    place: float
    of: str

    def of_view(self, view: Any) -> Block | None:
        """Make the block and check its rows; None where there is nothing to say."""
        found = self.function(view)
        if found is None or self.schema is None:
            return found
        if found.rows is None and not found.tables:
            names = ", ".join(self.schema.names)
            raise ConfigError(f"block {self.name}", "no table", f"a table with {names}")
        check_rows(f"block {self.name}", self.schema, found.csv_rows)
        return found


BLOCKS: Registry[Entry] = Registry("block")
Maker = Callable[[Any], Block | None]


def block(
    name: str, schema: pa.Schema | None = None, place: float = 900, of: str = "language"
) -> Callable[[Maker], Maker]:
    """Decorate a function that makes a block; `schema` declares the columns of its CSV."""
    if of not in ("language", "page"):
        raise ConfigError(f"block {name}: of", of, "language or page")

    def add(function: Maker) -> Maker:
        BLOCKS.register(name)(Entry(name, function, schema, place, of))
        return function

    return add


def in_order() -> list[Entry]:
    """List the registered blocks as they stand on the page."""
    return sorted((BLOCKS[name] for name in BLOCKS), key=lambda entry: (entry.place, entry.name))
