"""A folder that is none, or of another version, is refused by whichever command it is given to."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

from identjax.version import VERSION
from tests.launch.test_sweep_command import CONFIG, ROOT, finish

COMMANDS = ("sweep", "submit", "evaluate", "report", "merge", "status")


def run_all(
    folder: pathlib.Path, workdir: str, names: tuple[str, ...] = COMMANDS, **more: str
) -> dict[str, tuple[int, str, str]]:
    """Run some commands on one workdir, all at once; `more` are further flags of one of them."""
    config = folder / "tiny.py"
    config.write_text(CONFIG)
    running = {}
    for name in names:
        args = [f"--config={config}"] if name in ("sweep", "submit") else []
        args += [more[name]] if name in more else []
        running[name] = subprocess.Popen(
            [sys.executable, "-m", f"launch.{name}", f"--workdir={workdir}", *args],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    return {name: finish(process) for name, process in running.items()}


@pytest.mark.slow
def test_every_command_refuses_a_bucket_in_one_line(tmp_path: pathlib.Path) -> None:
    for name, (code, _, error) in run_all(tmp_path, "gs://bucket/run").items():
        assert (name, code, len(error.splitlines())) == (name, 2, 1), error
        assert "workdir='gs://bucket/run': a local folder or a mounted bucket" in error
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tiny.py"]


def test_every_command_refuses_a_folder_of_the_version_before_in_one_line(
    tmp_path: pathlib.Path,
) -> None:
    old = tmp_path / "old"
    old.mkdir()
    text = json.dumps({"format": 1, "versions": {"identjax": "0.1.0"}})
    (old / "sweep.json").write_text(text)
    names = tuple(name for name in COMMANDS if name != "submit")  # which opens no folder
    for name, (code, _, error) in run_all(
        tmp_path, str(old), names, merge=f"--shards={old}"
    ).items():
        assert (name, code, len(error.splitlines())) == (name, 2, 1), error
        assert [word for word in (str(old), VERSION, "0.1.0") if word not in error] == [], error
    assert (old / "sweep.json").read_text() == text
