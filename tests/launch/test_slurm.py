"""A real Slurm on this machine: an array of shards, one of them queued anew in mid-run."""

import pathlib
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence

import pytest

from identjax.store import Store
from identjax.sweep.folder.status import read_status
from tests.launch import slurm_here
from tests.launch.test_submit import command
from tests.launch.test_sweep_command import CONFIG, ROOT, sweep
from tests.sweep.harness import final_digests, rows_of

pytest.importorskip("submitit")
pytestmark = pytest.mark.slow
SHARDS = 4
TINY = CONFIG.replace("seeds=5", "seeds=8").replace("save_seconds=0.0", "save_seconds=0.3")


@pytest.fixture(scope="module")
def cluster() -> Iterator[dict[str, str]]:
    if reason := slurm_here.install():
        pytest.skip(reason)
    with slurm_here.slurm() as environment:
        yield environment | {"PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}


def submit(cluster: dict[str, str], *args: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "launch.submit", "--launcher=slurm", *map(str, args)],
        cwd=ROOT,
        env=cluster,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ask(cluster: dict[str, str], *args: str) -> str:
    done = subprocess.run(args, env=cluster, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout


def wait_until_begun(stores: Sequence[Store]) -> int:
    """Wait until one of them has begun, and say which: a shard may be without members."""
    until = time.monotonic() + 120
    while True:
        for index, store in enumerate(stores):
            if len(store.parts("curves")) >= 2:
                return index
        assert time.monotonic() < until, "no shard has begun"
        time.sleep(0.02)


def test_an_array_with_a_requeued_shard_ends_with_the_bits_of_one_run(
    cluster: dict[str, str], tmp_path: pathlib.Path
) -> None:
    config, root = tmp_path / "tiny.py", tmp_path / "all"
    config.write_text(TINY.replace("steps=60", "steps=400"))
    job = submit(cluster, f"--config={config}", f"--workdir={root}", f"--shards={SHARDS}", "--wait")
    assert job.stdout is not None
    ids = [job.stdout.readline().partition(":")[0] for _ in range(SHARDS)]
    assert [name.partition("_")[2] for name in ids] == ["0", "1", "2", "3"]
    folders = [Store(root / "shards" / f"{i}-of-{SHARDS}") for i in range(SHARDS)]
    begun = wait_until_begun(folders)
    ask(cluster, "scontrol", "requeue", ids[begun])
    _, error = job.communicate(timeout=300)
    assert job.returncode == 0, error
    assert "Restarts=1" in ask(cluster, "scontrol", "show", "job", ids[begun])
    assert '"preempted"' in (folders[begun].workdir / "events.jsonl").read_text()
    assert [read_status(store).state for store in folders] == ["done"] * SHARDS
    code, out, error = command("merge", f"--workdir={root}")
    assert (code, "8 done" in out) == (0, True), error
    assert sweep(f"--config={config}", f"--workdir={tmp_path}/one")[0] == 0
    whole, one = Store(root), Store(tmp_path / "one")
    assert final_digests(whole) == final_digests(one)
    for kind in ("snapshots", "curves"):
        assert rows_of(whole, kind) == rows_of(one, kind)


def test_a_cancelled_job_saves_and_stays_cancelled(
    cluster: dict[str, str], tmp_path: pathlib.Path
) -> None:
    config, root = tmp_path / "tiny.py", tmp_path / "all"
    config.write_text(TINY.replace("steps=60", "steps=1000000"))
    job = submit(cluster, f"--config={config}", f"--workdir={root}", "--wait")
    assert job.stdout is not None
    name = job.stdout.readline().partition(":")[0]
    store = Store(root / "shards" / "0-of-1")
    wait_until_begun([store])
    ask(cluster, "scancel", name)
    _, error = job.communicate(timeout=120)
    assert (job.returncode, "shards 0/1 failed" in error.splitlines()[-1]) == (1, True), error
    told = ask(cluster, "scontrol", "show", "job", name)
    assert "JobState=CANCELLED" in told
    assert "Restarts=0" in told
    assert '"preempted"' in (store.workdir / "events.jsonl").read_text()


def test_what_slurm_refuses_is_one_line(cluster: dict[str, str], tmp_path: pathlib.Path) -> None:
    config = tmp_path / "tiny.py"
    config.write_text(CONFIG)
    job = submit(cluster, f"--config={config}", f"--workdir={tmp_path}/x", "--slurm=partition=none")
    _, error = job.communicate(timeout=120)
    assert (job.returncode, len(error.splitlines())) == (2, 1), error
    assert "invalid partition specified: none" in error
