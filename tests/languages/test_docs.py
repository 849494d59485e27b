"""The documentation of the languages: its examples run, and it names every language."""

import doctest
import pathlib
import subprocess
import sys

import pytest

from identjax import languages
from tests.registries import temporarily

ROOT = pathlib.Path(__file__).parents[2]
DOCS = ROOT / "docs" / "languages.md"


SHIPPED = [
    name
    for name in languages.LANGUAGES
    if languages.LANGUAGES[name].__module__.startswith(languages.known.__name__)
]


def test_the_examples_run() -> None:
    with temporarily(languages.LANGUAGES):
        found = doctest.testfile(str(DOCS), module_relative=False)
    assert found.attempted > 15
    assert found.failed == 0


@pytest.mark.parametrize("name", SHIPPED)
def test_every_language_that_is_shipped_is_in_the_table(name: str) -> None:
    assert f"| `{name}`" in DOCS.read_text() or f", `{name}`" in DOCS.read_text()


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "launch.languages", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)


def test_the_command_prints_a_language() -> None:
    done = run("--language=L4", "--max_length=8")
    assert done.returncode == 0, done.stderr
    for expected in ("entropy        2.84763 nats", "strings        102", "context-free", "R2c"):
        assert expected in done.stdout
    assert "ood prompts: 256" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--language=L33",), "did you mean 'L3'"),
        (("--language=L5", "--max_length=2"), "max_length=2"),
        (("--language=L3", "--prompt_length=99"), "length=99"),
        (("--language=dyck", "--options=kinds=9"), "kinds=9"),
    ],
)
def test_bad_input_is_one_line(arguments: tuple[str, ...], named: str) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert named in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stdout == ""
