"""The command that evaluates: one at a time on a folder, beside a sweep."""

import pathlib
import subprocess
import sys

from tests.report.planted import plant


def test_a_folder_that_is_being_evaluated_is_named_and_exit_1(tmp_path: pathlib.Path) -> None:
    store = plant(tmp_path, seeds=1)
    command = [sys.executable, "-m", "launch.evaluate", f"--workdir={tmp_path}"]
    with store.writing("evals"):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "evals is in use by process" in line
