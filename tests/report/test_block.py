"""A user's own block: on the page and as CSV, and what is said where it is wrong."""

import pathlib
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from identjax import report
from identjax.errors import ConfigError
from identjax.report import style
from identjax.report.block import BLOCKS, Block, block
from identjax.report.table import Table, number, text
from identjax.report.view import View
from identjax.schema import schema_of
from tests.registries import temporarily
from tests.report.files import check_page, files_in, read_csv, read_page
from tests.report.planted import plant

SCHEMA = schema_of(language=str, cell=str, members=int)


def count(view: View) -> Block:
    """Count members by cell, with a picture."""
    cells = view["members"]["cell"].to_pylist()
    rows = tuple(
        {"language": view.language, "cell": cell, "members": cells.count(cell)}
        for cell in sorted(set(cells))
    )
    figure = style.new_figure()
    figure.subplots().bar([row["cell"] for row in rows], [row["members"] for row in rows])
    drawing = style.finish(figure, view.name("mine"), "Members", "Each bar is a cell.")
    columns = text("cell", "cell"), number("members", "members", "{:.1f}".format)
    return Block("How many", ("So many.",), (drawing,), tables=(Table(rows, columns, "Mine."),))


def test_a_block_of_ones_own_stands_on_the_page_and_as_csv(tmp_path: pathlib.Path) -> None:
    store = plant(tmp_path, languages=("L1", "L3"), seeds=2)
    with temporarily(BLOCKS):
        block("mine", SCHEMA, place=350)(count)
        written = report.write(tmp_path)
        check_page(store)
    assert written.failures == ()
    page = read_page(store)
    assert page.count("<h3>How many</h3>") == 2
    assert page.index("Rules at") < page.index("How many") < page.index("Who behaves like whom")
    assert '<td class="n">2.0</td>' in page
    assert [row["members"] for row in read_csv(store, "mine")] == ["2"] * 4
    assert {"figures/mine.L1.svg", "tables/mine.tex"} <= set(files_in(store.report_dir))


def test_a_block_of_the_page_is_made_once_of_all(tmp_path: pathlib.Path) -> None:
    store = plant(tmp_path, languages=("L1", "L3"), seeds=1)
    with temporarily(BLOCKS):
        name = "above"
        block(name, place=-1, of="page")(lambda views: Block(f"All {len(views)} of them"))
        report.write(tmp_path)
        check_page(store)
    page = read_page(store)
    assert page.index("All 2 of them") < page.index('id="L1"')
    with pytest.raises(ConfigError, match="of='pages'"):
        block("wrong", of="pages")


def give(**columns: Any) -> Callable[[View], Block]:
    return lambda view: Block(tables=(Table((columns,), (text("cell", "cell"),)),))


def fail(view: View) -> Block:
    raise ValueError(f"no {view.language}\nof mine")


WRONG: list[tuple[Any, str]] = [
    (fail, "ValueError: no L3 of mine"),
    (lambda view: Block("Nothing"), "'no table': a table with language, cell, members"),
    (
        give(language="L3", cell="a", members="two"),
        "column members='values of type str': as declared (members: int64)",
    ),
    (
        give(language="L3", cell="a", weight=1.0),
        "column weight=\"a column 'weight'\": as declared (language, cell, members)",
    ),
    (give(language="L3", members=2), "KeyError: 'cell'"),
]


@pytest.mark.parametrize(("make", "cause"), WRONG)
def test_a_block_that_fails_is_named_and_the_others_stand(
    make: Callable[[View], Block], cause: str, tmp_path: pathlib.Path
) -> None:
    store = plant(tmp_path, seeds=2)
    with temporarily(BLOCKS):
        block("mine", SCHEMA)(make)
        for _ in range(2):  # a page that lacks a block is not taken for one that stands
            written = report.write(tmp_path)
            assert written.failures == (f"block mine of L3 in {tmp_path.name}: {cause}",)
    check_page(store)
    assert "Rules at" in read_page(store)
    assert "tables/mine.csv" not in files_in(store.report_dir)


def test_tables_are_joined_as_their_columns_say(tmp_path: pathlib.Path) -> None:
    store = plant(tmp_path, seeds=2)
    seen: dict[str, pa.Table] = {}
    names = ("rules", "pairwise", "sets", "members", "curves")
    with temporarily(BLOCKS):

        def look(view: View) -> None:
            seen.update({name: view[name] for name in names})

        block("mine")(look)
        report.write(store.workdir)
    assert {*seen["rules"]["cell"].to_pylist()} == {"lstm", "transformer"}
    assert {*seen["curves"]["status"].to_pylist()} == {"done"}
    for name in names:
        assert {*seen[name]["language"].to_pylist()} == {"L3"}
        assert "status" in seen[name].column_names or name in ("pairwise", "sets")
