"""Reading what a report wrote, and changing what it reads."""

import csv
import html.parser
import pathlib
import re
from typing import Any

import pyarrow as pa

from identjax.store import Store


def read_csv(store: Store, name: str) -> list[dict[str, str]]:
    with (store.workdir / "report" / "tables" / f"{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def read_page(store: Store) -> str:
    return (store.workdir / "report" / "index.html").read_text()


def files_in(folder: pathlib.Path) -> dict[str, bytes]:
    """Give what a reader sees: the note of what a page was drawn from is hidden."""
    found = sorted(path for path in folder.rglob("[!.]*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def change(store: Store, name: str, **columns: Any) -> None:
    """Replace columns of an evaluation table by functions of their old values."""
    table = store.read_eval(name)
    assert table is not None
    for column, new in columns.items():
        at = table.column_names.index(column)
        values = [new(value) for value in table[column].to_pylist()]
        table = table.set_column(at, column, pa.array(values, table.schema.field(at).type))
    store.write_eval(name, table)


VOID = {"meta", "br", "link", "img"}


class Checker(html.parser.HTMLParser):
    """Collects tags, and fails where one is not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.targets: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        found = dict(attrs)
        self.ids += [value for name, value in found.items() if name == "id" and value]
        self.targets += [v for k, v in found.items() if k in ("href", "src") and v]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def check_page(store: Store) -> Checker:
    """Check what holds of every page: closed tags, unique ids, links that lead somewhere."""
    text = read_page(store)
    checker = Checker()
    checker.feed(text)
    assert checker.open == []
    assert len(set(checker.ids)) == len(checker.ids)
    for target in checker.targets:
        if target.startswith("#"):
            assert target[1:] in checker.ids
        elif not target.startswith("data:image/png;base64,"):
            assert (store.workdir / "report" / target).exists()
    assert not re.search(r"https?:|<script|\bon\w+=|@import|url\((?!#)", text)
    return checker
