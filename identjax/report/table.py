"""Tables: rows once, then as HTML cells, CSV and LaTeX."""

import csv
import dataclasses
import io
import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

Row = dict[str, Any]
Needed = Callable[[Sequence[Row]], bool]


@dataclasses.dataclass(frozen=True)
class Marked:
    """A cell in pieces, (text, kind) with kind go, break or end, and a verdict per rule."""

    pieces: tuple[tuple[str, str], ...]
    verdicts: tuple[tuple[str, bool], ...] = ()

    def __str__(self) -> str:
        return "".join(text for text, _ in self.pieces)


@dataclasses.dataclass(frozen=True)
class Column:
    """A column that people see: its label, and how it is written; numbers stand right.

    It hides where the rows do not need it.
    """

    label: str
    write: Callable[[Row], str | Marked]
    number: bool = True
    needed: Needed = bool


@dataclasses.dataclass(frozen=True)
class Table:
    """Rows as people see them; where there is a `heading`, rows of one stand under it.

    `label` stands above the table and `caption` below. One that is `folded` opens by that text.
    """

    rows: tuple[Row, ...]
    columns: tuple[Column, ...]
    caption: str = ""
    heading: Callable[[Row], str] | None = None
    label: str = ""
    folded: str = ""

    @property
    def shown(self) -> tuple[Column, ...]:
        """The columns that these rows need."""
        return tuple(column for column in self.columns if column.needed(self.rows))

    @property
    def parts(self) -> list[tuple[str, list[list[str | Marked]]]]:
        """The cells under their headings; rows of one heading stand together already."""
        columns, head = self.shown, self.heading or (lambda row: "")
        return [
            (heading, [[column.write(row) for column in columns] for row in rows])
            for heading, rows in itertools.groupby(self.rows, head)
        ]

    def to_latex(self, title: str, place: str = "") -> str:
        """Write it as a tabular, each heading after its place; it needs the booktabs package."""
        columns = self.shown
        kinds = "".join("r" if column.number else "l" for column in columns)
        body = []
        for heading, rows in self.parts:
            if told := ", ".join(filter(None, (place, heading))):
                body.append(rf"\multicolumn{{{len(kinds)}}}{{l}}{{\emph{{{_escape(told)}}}}} \\")
            body += [_latex_row(map(str, row)) for row in rows]
        lines = [
            f"% {' '.join(title.split())}; \\usepackage{{booktabs}}",
            rf"\begin{{tabular}}{{{kinds}}}",
            r"\toprule",
            _latex_row(column.label for column in columns),
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
        ]
        return "\n".join(lines) + "\n"


def varies(field: str) -> Needed:
    """Need a column where the rows that say something of a field do not say the same."""
    return lambda rows: len({row[field] for row in rows} - {"", None}) > 1


def occurs(field: str) -> Needed:
    """Need a column where some row counts one or more."""
    return lambda rows: any(row[field] for row in rows)


def text(label: str, field: str, needed: Needed = bool) -> Column:
    """Show a field as it is."""
    return Column(label, lambda row: str(row[field]), number=False, needed=needed)


def number(label: str, field: str, write: Callable[[Any], str], needed: Needed = bool) -> Column:
    """Show a number in the given way."""
    return Column(label, lambda row: write(row[field]), needed=needed)


def whole(label: str, field: str, needed: Needed = bool) -> Column:
    """Show a count."""
    return Column(label, lambda row: f"{row[field]:,}", needed=needed)


def to_csv(fields: Sequence[str], rows: Iterable[Row]) -> str:
    """Write every field of every row; numbers in full."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(fields)
    writer.writerows([_plain(row.get(field)) for field in fields] for row in rows)
    return buffer.getvalue()


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
    "α": r"$\alpha$",
    "≤": r"$\le$",
    "∎": r"$\bullet$",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
} | {mark: f"\\{mark}" for mark in "&%$#_{}"}


def _escape(words: str) -> str:
    return "".join(_LATEX.get(letter, letter) for letter in words)


def _latex_row(cells: Iterable[str]) -> str:
    return " & ".join(map(_escape, cells)) + r" \\"
