"""The sweep command from outside: exit codes, one clear line, and no lost work."""

import os
import pathlib
import random
import signal
import subprocess
import sys
import time

import pytest

from identjax.store import Store
from tests.sweep.harness import final_digests, rows_of

ROOT = pathlib.Path(__file__).parent.parent.parent
CONFIG = """
from ml_collections import ConfigDict
from identjax.axes import axis

def get_config():
    return ConfigDict(dict(
        language="L3", max_length=6, architecture="lstm", preset="small",
        model={"lstm": {"hidden": 4, "embedding": 4}}, learning_rate=0.05, steps=60, check_every=5,
        rungs=(2.0, 1.0), width=2, save_seconds=0.0, chunk_steps=1, seeds=5))

def get_sweep(seeds=5):
    return axis("init_seed", range(seeds))
"""


@pytest.fixture
def config(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "tiny.py"
    path.write_text(CONFIG)
    return path


def start(*args: object) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-m", "launch.sweep", *map(str, args)]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, error = process.communicate(timeout=300)
    return process.returncode, out, error


def sweep(*args: object) -> tuple[int, str, str]:
    return finish(start(*args))


def test_a_run_says_what_became_of_members_and_then_that_it_is_done(
    config: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    workdir = tmp_path / "run"
    code, out, _ = sweep(f"--config={config}", f"--workdir={workdir}", "--dry_run")
    assert (code, workdir.exists()) == (0, False)
    told = ["5 members, width 2", "of disk", "300 member-steps", "member-steps/s", "as compiled"]
    assert [words for words in told if words not in out] == []
    for _ in range(2):
        code, out, error = sweep(f"--config={config}", f"--workdir={workdir}")
        assert code == 0, error
        assert "5 done" in out
    assert Store(workdir).read_members().num_rows == 5


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--config.learning_rate=-1"], ["learning_rate=-1.0", "above 0"]),
        (["--config.learning_rat=1"], ["'learning_rat'", "did you mean 'learning_rate'"]),
        (["--config.model.lstm.hiden=1"], ["'hiden'", "did you mean 'hidden'"]),
        (["--config.steps=many"], ["steps"]),
        (["--config.language=L33"], ["L33", "did you mean 'L3'"]),
        (["--config.model.lstm.hidden=0"], ["hidden=0"]),
        (["--config.seeds=0"], ["sweep"]),
        (["--shard=4/4"], ["shard=", "4/4", "0/4"]),
        (["--no_such_flag"], ["no_such_flag"]),
        (["--import=missing.py"], ["missing.py"]),
        (["stray"], ["stray"]),
    ],
)
def test_bad_usage_is_one_line_and_exit_2(
    config: pathlib.Path, tmp_path: pathlib.Path, args: list[str], words: list[str]
) -> None:
    workdir = tmp_path / "run"
    code, _, error = sweep(f"--config={config}", f"--workdir={workdir}", *args)
    assert code == 2
    assert len(error.strip().splitlines()) == 1, error
    assert [word for word in words if word not in error] == []
    assert not workdir.exists()


def test_a_missing_config_or_workdir_is_named(tmp_path: pathlib.Path) -> None:
    code, _, error = sweep(f"--config={tmp_path}/none.py", f"--workdir={tmp_path}/run")
    assert (code, len(error.strip().splitlines())) == (2, 1)
    assert "none.py" in error
    code, _, error = sweep("--config=configs/quickstart.py")
    assert (code, "--workdir" in error) == (2, True)


def test_a_folder_of_a_newer_version_is_named_and_left_alone(
    config: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    text = '{"format": 99, "versions": {"identjax": "9.9"}}'
    (tmp_path / "sweep.json").write_text(text)
    code, _, error = sweep(f"--config={config}", f"--workdir={tmp_path}")
    assert (code, len(error.strip().splitlines())) == (2, 1), error
    assert [word for word in ("workdir", str(tmp_path), "9.9", "update") if word not in error] == []
    assert (tmp_path / "sweep.json").read_text() == text


def test_an_unwritable_folder_is_exit_1(config: pathlib.Path, tmp_path: pathlib.Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("")
    code, _, error = sweep(f"--config={config}", f"--workdir={blocker}/run")
    assert (code, len(error.strip().splitlines())) == (1, 1)
    assert "cannot write" in error


def wait_for_part(process: subprocess.Popen[str], workdir: pathlib.Path, parts: int) -> None:
    while process.poll() is None and len(Store(workdir).parts("curves")) < parts:
        time.sleep(0.002)


def test_a_stop_signal_saves_and_exits_75(config: pathlib.Path, tmp_path: pathlib.Path) -> None:
    workdir = tmp_path / "run"
    process = start(f"--config={config}", f"--workdir={workdir}", "--config.steps=100000")
    wait_for_part(process, workdir, 2)
    process.send_signal(signal.SIGTERM)
    code, _, error = finish(process)
    assert code == 75, error
    assert "run the same command again" in error
    assert "training" in Store(workdir).read_members()["status"].to_pylist()


def kill_and_finish(config: pathlib.Path, workdir: pathlib.Path, moments: list[float]) -> int:
    """Kill the command some time after its first part, again and again, and let it end."""
    kills = 0
    for moment in moments:
        process = start(f"--config={config}", f"--workdir={workdir}")
        wait_for_part(process, workdir, len(Store(workdir).parts("curves")) + 1)
        time.sleep(moment)
        process.kill()
        kills += finish(process)[0] == -signal.SIGKILL
    code, _, error = sweep(f"--config={config}", f"--workdir={workdir}")
    assert code == 0, error
    return kills


@pytest.fixture
def undisturbed(config: pathlib.Path, tmp_path: pathlib.Path) -> Store:
    code, _, error = sweep(f"--config={config}", f"--workdir={tmp_path}/undisturbed")
    assert code == 0, error
    return Store(tmp_path / "undisturbed")


@pytest.mark.parametrize(
    "moments",
    [
        pytest.param([0.02], id="one"),
        pytest.param(
            [random.Random(s).uniform(0, 0.4) for s in range(30)], marks=pytest.mark.slow, id="30"
        ),
    ],
)
def test_killed_runs_end_bit_identical_with_no_row_twice(
    config: pathlib.Path, tmp_path: pathlib.Path, undisturbed: Store, moments: list[float]
) -> None:
    workdir = tmp_path / "killed"
    assert kill_and_finish(config, workdir, moments) >= 1
    store = Store(workdir)
    assert final_digests(store) == final_digests(undisturbed)
    for kind in ("snapshots", "curves"):
        assert rows_of(store, kind) == rows_of(undisturbed, kind)
    strip = store.read_members().to_pylist()
    assert strip == undisturbed.read_members().to_pylist()


@pytest.mark.slow
@pytest.mark.parametrize("size", ["60k", "150k", "250k"])
def test_a_full_disk_is_one_line_and_loses_nothing(
    config: pathlib.Path, tmp_path: pathlib.Path, undisturbed: Store, size: str
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a small disk")
    try:
        code, _, error = sweep(f"--config={config}", f"--workdir={disk}/run")
        assert (code, "no room left on the disk" in error) == (1, True), error
        subprocess.run(["mount", "-o", "remount,size=30m", str(disk)], check=True)
        code, _, error = sweep(f"--config={config}", f"--workdir={disk}/run")
        assert code == 0, error
        store = Store(disk / "run")
        assert final_digests(store) == final_digests(undisturbed)
        assert rows_of(store, "curves") == rows_of(undisturbed, "curves")
    finally:
        subprocess.run(["umount", str(disk)], check=True)
