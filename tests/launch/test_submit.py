"""Shards under a scheduler: interrupted, queued again, and merged to the bits of one run."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from identjax.errors import ConfigError
from identjax.store import Store
from identjax.sweep.folder.status import read_status
from launch.common import flags_given
from launch.jobs import ShardJob, make_executor
from tests.launch.test_sweep_command import CONFIG, ROOT, sweep
from tests.sweep.harness import final_digests

submitit = pytest.importorskip("submitit")
TINY = CONFIG.replace("steps=60", "steps=300").replace("save_seconds=0.0", "save_seconds=0.3")


def command(module: str, *args: object) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", f"launch.{module}", *map(str, args)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    return done.returncode, done.stdout, done.stderr


def parent_of(pid: int) -> int:
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(status.split("PPid:")[1].split()[0])


@pytest.mark.slow
def test_interrupted_jobs_are_queued_again_and_end_with_the_bits_of_one_run(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, root = tmp_path / "tiny.py", tmp_path / "all"
    config.write_text(TINY)
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    executor = submitit.AutoExecutor(root / "logs", cluster="local", local_max_num_timeout=10)
    executor.update_parameters(timeout_min=5)
    folders = [root / "shards" / f"{i}-of-2" for i in (0, 1)]
    jobs = [
        executor.submit(ShardJob([f"--config={config}"], str(folder), f"{i}/2"))
        for i, folder in enumerate(folders)
    ]
    for job, folder in zip(jobs, folders, strict=True):
        while not job.done() and not Store(folder).parts("curves"):
            time.sleep(0.01)
        assert read_status(Store(folder)).state == "alive"
        command_pid = int((folder / "lock").read_text().split()[1])
        # A scheduler signals the job; a machine that is taken away may signal its command alone.
        told = parent_of(command_pid) if job is jobs[0] else command_pid
        os.kill(told, signal.SIGUSR2)
    assert [job.result() for job in jobs] == [0, 0]
    events = [(folder / "events.jsonl").read_text() for folder in folders]
    assert all('"preempted"' in text for text in events)
    code, out, _ = command("status", f"--workdir={root}")
    assert (code, "all: 2 done; 5 done" in out) == (0, True)
    code, out, error = command("merge", f"--workdir={root}")
    assert code == 0, error
    assert sweep(f"--config={config}", f"--workdir={tmp_path}/one")[0] == 0
    assert final_digests(Store(root)) == final_digests(Store(tmp_path / "one"))
    member = next(iter(final_digests(Store(folders[0]))))
    assert command("status", f"--workdir={root}", f"--member={member}")[0] == 0


def test_a_job_runs_the_same_command_each_time() -> None:
    job = ShardJob(["--config=c.py"], "w/shards/0-of-2", "0/2")
    assert job.command[1:] == [
        "-m",
        "launch.sweep",
        "--config=c.py",
        "--workdir=w/shards/0-of-2",
        "--shard=0/2",
    ]


def test_the_flags_of_a_job_are_those_given_in_any_spelling(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = [
        "--config",
        "a b.py",
        "--config.steps=5",
        "-import=c.py",
        "--config.x",
        "--shards",
        "4",
    ]
    monkeypatch.setattr(sys, "argv", ["submit", *given, "--workdir", "config"])
    found = flags_given("config", "import")
    assert found == ["--config=a b.py", "--config.steps=5", "--import=c.py", "--config.x"]


def test_an_executor_that_cannot_be_made_is_named(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert make_executor(str(tmp_path), "local", 1, ["array_parallelism=2", "mem=4GB"])
    with pytest.raises(ConfigError, match=r"slurm='nonsense=1'.*nonsense"):
        make_executor(str(tmp_path), "local", 1, ["nonsense=1"])
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="launcher='slurm': local where there is no Slurm"):
        make_executor(str(tmp_path), "slurm", 1, [])
