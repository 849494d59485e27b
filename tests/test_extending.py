"""docs/extending.md runs as it stands, and what it adds goes all the way to the page."""

import ast
import contextlib
import csv
import pathlib
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator

import pytest

import identjax
from identjax import report
from identjax.evaluation.evaluate import evaluate
from identjax.store import Store
from identjax.sweep.plan.request import import_source, make_request
from identjax.sweep.run import run_sweep
from tests.registries import temporarily
from tests.test_architecture import registries

ROOT = pathlib.Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "extending.md").read_text()
BLOCKS = re.findall(r"```(python)?\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(autouse=True)
def own_folder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Work in an empty folder, and forget what is registered there."""
    monkeypatch.chdir(tmp_path)
    with contextlib.ExitStack() as kept:
        for registry in registries():
            kept.enter_context(temporarily(registry))
        yield


def write(text: str) -> str:
    """Write a block of the page to the file that its first line names."""
    name = text.splitlines()[0].removeprefix("# ")
    assert re.fullmatch(r"my_\w+\.py", name)
    pathlib.Path(name).write_text(text)
    return name


def value_of(text: str) -> object:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def play(line: str, imported: set[str]) -> None:
    """Do what a command of the page does, in this process: starting another takes seconds."""
    command, *flags = shlex.split(line)[2:]
    pairs = [flag.removeprefix("--").split("=", 1) for flag in flags]
    for name, value in pairs:
        if name == "import" and value not in imported:
            imported.add(value)
            import_source(value)
    given = dict(pairs)
    if command == "launch.sweep":
        changes = {k.partition(".")[2]: value_of(v) for k, v in pairs if k.startswith("config.")}
        request = make_request(given["config"], changes)
        counts = run_sweep(request.plan(), Store(given["workdir"]), request.facts)
        assert set(counts) <= {"done", "saturated"}
    elif command == "launch.evaluate":
        assert evaluate(identjax.open(given["workdir"]), say=lambda line: None).failures == ()
    else:
        assert command == "launch.report"
        assert report.write(given["workdir"]).failures == ()


def check_shown(name: str, words: str) -> None:
    """What a file added is in evals/, on the page, as a CSV and as a figure."""
    folder = pathlib.Path("results/mine/report")
    assert identjax.open("results/mine").evals(name).num_rows > 0
    with (folder / "tables" / f"{name}.csv").open() as file:
        assert list(csv.DictReader(file))
    page = (folder / "index.html").read_text()
    assert words in page
    assert f"tables/{name}.csv" in page
    assert (folder / "figures" / f"{name}.L3.svg").exists()


def test_every_block_of_the_page_runs() -> None:
    imported: set[str] = set()
    for kind, text in BLOCKS:
        if kind:
            exec(compile(text, write(text), "exec"), {}) if "my_rule" in text else write(text)
            continue
        for line in text.splitlines():
            play(line, imported)
    check_shown("emptiness", "The empty string")
    check_shown("echo", "What follows a run of b")
    written = {path.name for path in pathlib.Path().glob("my_*.py")}
    assert written - imported <= {"my_config.py", "my_tuning.py", "my_rule.py"}


def test_the_table_names_templates_that_are_there() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| a")]
    templates = [re.findall(r"`(identjax/[^`]+)`", row)[-1] for row in rows]
    assert len(templates) == 9
    assert [path for path in templates if not (ROOT / path).exists()] == []


@pytest.mark.slow
def test_a_study_in_a_file_goes_through_the_commands() -> None:
    for kind, text in BLOCKS:
        if kind and text.startswith(("# my_config", "# my_study")):
            write(text)
    lines = [
        "launch.sweep --import=my_study.py --config=my_config.py --workdir=results/mine",
        "launch.evaluate --import=my_study.py --workdir=results/mine",
        "launch.report --import=my_study.py --workdir=results/mine",
    ]
    for line in lines:
        command = [sys.executable, "-m", *line.split()]
        environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        assert done.returncode == 0, done.stderr
    check_shown("echo", "What follows a run of b")
