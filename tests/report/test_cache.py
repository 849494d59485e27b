"""A page that stands is left as it is, until something behind it changes."""

import inspect
import pathlib
import runpy

import identjax
from identjax import report
from identjax.report import cache
from identjax.report.block import BLOCKS
from tests.registries import temporarily
from tests.report.files import read_page
from tests.report.planted import plant


def test_a_page_that_stands_is_left_as_it_is_until_its_data_change(tmp_path: pathlib.Path) -> None:
    store = plant(tmp_path, seeds=2)
    first = report.write(tmp_path)
    marked = first.path.read_text() + "<!-- as it was -->"
    first.path.write_text(marked)
    assert report.write(tmp_path) == first
    assert first.path.read_text() == marked
    rules = store.read_eval("rules")
    assert rules is not None
    store.write_eval("rules", rules)
    report.write(tmp_path)
    assert first.path.read_text() != marked


def test_a_page_is_drawn_anew_after_a_change_anywhere_in_the_package(
    tmp_path: pathlib.Path,
) -> None:
    """An interval is computed in statistics/, a conclusion in a study: a page is drawn by both."""
    package = tmp_path / "identjax"
    rooms = ("statistics", "evaluation", "report/blocks", "studies/any", "languages/known")
    files = [package / room / "file.py" for room in rooms]
    files += [package / "query.py", package / "report" / "page.css", package / "report" / "a.jinja"]
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("1")
    seen = {cache.fingerprint([], package)}
    for count, file in enumerate(files, start=1):
        file.write_text("1 + 1")
        seen.add(cache.fingerprint([], package))
        assert len(seen) == count + 1, file


def test_the_package_that_is_watched_is_this_one() -> None:
    watched = inspect.signature(cache.fingerprint).parameters["package"].default
    assert watched == pathlib.Path(identjax.__file__).parent


def test_a_page_is_drawn_anew_after_a_change_of_a_users_block(tmp_path: pathlib.Path) -> None:
    store, mine = plant(tmp_path / "run", seeds=2), tmp_path / "mine.py"
    text = """
from identjax.report.block import Block, block

@block("mine")
def say(view):
    return Block("{}")
"""
    for title in ("First thought", "A second thought"):
        mine.write_text(text.format(title))
        with temporarily(BLOCKS):
            runpy.run_path(str(mine))
            report.write(store.workdir)
        assert title in read_page(store)
    report.write(store.workdir)
    assert "thought" not in read_page(store)
