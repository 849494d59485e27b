"""A bucket is no results folder, whichever command it is given to."""

import os
import pathlib
import subprocess
import sys

import pytest

from tests.launch.test_sweep_command import CONFIG, ROOT, finish

COMMANDS = ("sweep", "submit", "evaluate", "report", "merge", "status")


@pytest.mark.slow
def test_every_command_refuses_a_bucket_in_one_line(tmp_path: pathlib.Path) -> None:
    config = tmp_path / "tiny.py"
    config.write_text(CONFIG)
    running = {}
    for name in COMMANDS:
        args = [f"--config={config}"] if name in ("sweep", "submit") else []
        running[name] = subprocess.Popen(
            [sys.executable, "-m", f"launch.{name}", "--workdir=gs://bucket/run", *args],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    ends = {name: finish(process) for name, process in running.items()}
    for name, (code, _, error) in ends.items():
        assert (name, code, len(error.splitlines())) == (name, 2, 1), error
        assert "workdir='gs://bucket/run': a local folder or a mounted bucket" in error
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tiny.py"]
