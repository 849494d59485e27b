"""The words of the page stand in the docs as well."""

import pathlib
import re

from identjax import report
from identjax.report.blocks.words import WORDS
from tests.report.files import read_page
from tests.report.planted import plant

DOCS = pathlib.Path(__file__).parents[2] / "docs"


def test_every_word_of_the_page_is_in_the_docs(tmp_path: pathlib.Path) -> None:
    store = plant(tmp_path, seeds=2)
    report.write(tmp_path)
    page = read_page(store)
    told = {
        word
        for head in re.findall(r"\*\*(.*?)\*\*", (DOCS / "concepts.md").read_text())
        for word in re.split(r", |: ", head)
    }
    for name in WORDS:
        assert f"<dt>{name}</dt>" in page
        assert set(re.split(r", ", name)) <= told, name


def test_links_of_the_docs_lead_somewhere() -> None:
    for page in DOCS.glob("*.md"):
        prose = re.sub(r"```.*?```|`[^`]*`", "", page.read_text(), flags=re.S)
        targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", prose)
        kept = [target for target in targets if "results/" not in target]
        assert [target for target in kept if not (DOCS / target).exists()] == [], page
