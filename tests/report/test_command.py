"""The command, and the page in a browser."""

import pathlib
import shutil
import subprocess
import sys

import pytest

from identjax import report
from tests.report.planted import plant


def run_command(*flags: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "launch.report", *flags]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_command_ends_with_the_headline_and_the_path(tmp_path: pathlib.Path) -> None:
    plant(tmp_path / "run", seeds=2)
    done = run_command(f"--workdir={tmp_path / 'run'}", f"--out={tmp_path / 'page'}")
    assert done.returncode == 0, done.stderr
    headline, path = done.stdout.splitlines()[-2:]
    assert "come within 0.01 nats per sequence of the truth" in headline
    assert pathlib.Path(path) == tmp_path / "page" / "index.html"


def test_the_command_names_a_folder_without_evaluations(tmp_path: pathlib.Path) -> None:
    plant(tmp_path, seeds=1)
    shutil.rmtree(tmp_path / "evals")
    done = run_command(f"--workdir={tmp_path}")
    assert done.returncode == 2
    assert "launch.evaluate" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_block_that_fails_is_one_line_and_exit_1(tmp_path: pathlib.Path) -> None:
    plant(tmp_path / "run", seeds=1)
    mine = tmp_path / "mine.py"
    mine.write_text("from identjax.report.block import block\nblock('mine')(lambda view: 1 / 0)\n")
    done = run_command(f"--workdir={tmp_path / 'run'}", f"--import={mine}")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line == "report: block mine of L3 in run: ZeroDivisionError: division by zero"
    assert (tmp_path / "run" / "report" / "index.html").exists()


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
@pytest.mark.parametrize("foreign", ["", '<img src="https://example.invalid/x.png">'])
def test_a_browser_shows_the_page_and_it_asks_for_nothing(
    foreign: str, tmp_path: pathlib.Path
) -> None:
    """The page forbids all requests, so that one would be refused aloud; the second case is so."""
    store = plant(tmp_path / "run", seeds=3)
    page = report.write(store.workdir).path
    page.write_text(page.read_text().replace("</main>", f"</main>{foreign}"))
    shown = show_in_browser(page, tmp_path / "profile")
    assert shown.returncode == 0
    assert "How this was made" in shown.stdout
    messages = [line for line in shown.stderr.splitlines() if "CONSOLE" in line]
    assert bool(messages) == bool(foreign), messages


def show_in_browser(page: pathlib.Path, profile: pathlib.Path) -> subprocess.CompletedProcess[str]:
    assert CHROMIUM is not None
    switches = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--host-resolver-rules=MAP * ~NOTFOUND",
        "--enable-logging=stderr",
        "--dump-dom",
        f"--user-data-dir={profile}",
    ]
    command = [CHROMIUM, *switches, page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
