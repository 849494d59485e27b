"""Tables: rows once, then as HTML cells, CSV and LaTeX."""

import csv
import dataclasses
import io
import itertools
from collections.abc import Callable, Sequence
from typing import Any

Row = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Column:
    """A column that people see: its label, and how it is written; numbers stand right."""

    label: str
    write: Callable[[Row], str]
    number: bool = True


@dataclasses.dataclass(frozen=True)
class Table:
    """Rows under a name; `columns` are what people see, the CSV has every field as it is.

    Where there is a `heading`, rows of one heading stand under it.
    """

    name: str
    title: str
    caption: str
    fields: tuple[str, ...]
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    heading: Callable[[Row], str] | None = None

    @property
    def cells(self) -> list[list[str]]:
        """The text of each cell that is shown."""
        return [[column.write(row) for column in self.columns] for row in self.rows]

    @property
    def blocks(self) -> list[tuple[str, list[list[str]]]]:
        """The cells under their headings; rows of one heading stand together already."""
        headings = [self.heading(row) if self.heading else "" for row in self.rows]
        paired = itertools.groupby(zip(headings, self.cells, strict=True), lambda pair: pair[0])
        return [(heading, [cells for _, cells in pairs]) for heading, pairs in paired]

    def without_constants(self, *labels: str) -> "Table":
        """Leave out those of the labelled columns that say the same in every row."""
        cells = self.cells
        kept = tuple(
            column
            for i, column in enumerate(self.columns)
            if column.label not in labels or len({row[i] for row in cells}) > 1
        )
        return dataclasses.replace(self, columns=kept)

    def keep(self, rows: Sequence[Row], name: str = "", title: str = "") -> "Table":
        """Give the same table with other rows."""
        return dataclasses.replace(
            self, rows=tuple(rows), name=name or self.name, title=title or self.title
        )

    def to_csv(self) -> str:
        """Write every field of every row; numbers in full."""
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow(self.fields)
        for row in self.rows:
            writer.writerow([_plain(row.get(field)) for field in self.fields])
        return buffer.getvalue()

    def to_latex(self) -> str:
        """Write what people see as a tabular; it needs the booktabs package."""
        kinds = "".join("r" if column.number else "l" for column in self.columns)
        head = " & ".join(_escape(column.label) for column in self.columns)
        body = [line for block in self.blocks for line in _latex_block(block, len(kinds))]
        lines = [
            f"% {' '.join(self.title.split())}; \\usepackage{{booktabs}}",
            rf"\begin{{tabular}}{{{kinds}}}",
            r"\toprule",
            head + r" \\",
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
        ]
        return "\n".join(lines) + "\n"


def _latex_block(block: tuple[str, list[list[str]]], width: int) -> list[str]:
    heading, rows = block
    lines = [" & ".join(_escape(text) for text in row) + r" \\" for row in rows]
    if not heading:
        return lines
    return [rf"\multicolumn{{{width}}}{{l}}{{\emph{{{_escape(heading)}}}}} \\", *lines]


def text(label: str, field: str) -> Column:
    """Show a field as it is."""
    return Column(label, lambda row: str(row[field]), number=False)


def number(label: str, field: str, write: Callable[[Any], str]) -> Column:
    """Show a number in the given way."""
    return Column(label, lambda row: write(row[field]))


def whole(label: str, field: str) -> Column:
    """Show a count."""
    return Column(label, lambda row: f"{row[field]:,}")


def _plain(value: Any) -> Any:
    if value is None or value != value:
        return ""
    return repr(float(value)) if isinstance(value, float) else value


_LATEX = {
    "\\": r"\textbackslash{}",
    "–": "--",
    "−": "$-$",
    "∞": r"$\infty$",
    "ε": r"$\varepsilon$",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
} | {mark: f"\\{mark}" for mark in "&%$#_{}"}


def _escape(words: str) -> str:
    return "".join(_LATEX.get(letter, letter) for letter in words)
