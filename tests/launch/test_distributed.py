"""Several processes as one run: the same bits as one process, and a clear end where one is lost."""

import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

import pytest

from identjax.store import Store
from tests.launch.test_sweep_command import CONFIG, ROOT, finish
from tests.sweep.harness import final_digests, rows_of

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    path = tmp_path_factory.mktemp("config") / "tiny.py"
    text = CONFIG.replace("seeds=5", "seeds=9").replace("steps=60", "steps=200")
    # A save waits for all processes, so one after every step would be all that they do.
    text = text.replace("save_seconds=0.0, chunk_steps=1", "save_seconds=0.5, chunk_steps=5")
    path.write_text(text)
    return path


def start(*args: object, devices: int = 1) -> subprocess.Popen[str]:
    cpu = {"JAX_PLATFORMS": "cpu", "JAX_NUM_CPU_DEVICES": str(devices)}
    return subprocess.Popen(
        [sys.executable, "-m", "launch.sweep", *map(str, args)],
        cwd=ROOT,
        env={**os.environ, **cpu, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def start_all(count: int, *args: object, **first: object) -> list[subprocess.Popen[str]]:
    """Start the processes of one run; `first` are flags of the last one alone."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    common = [*args, "--distributed", f"--coordinator=localhost:{port}", f"--processes={count}"]
    last = [f"--{name}={value}" for name, value in first.items()]
    return [
        start(*common, f"--process_id={i}", *(last if i == count - 1 else [])) for i in range(count)
    ]


@pytest.fixture(scope="module")
def alone(config: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    workdir = tmp_path_factory.mktemp("alone")
    code, _, error = finish(start(f"--config={config}", f"--workdir={workdir}", devices=2))
    assert code == 0, error
    return Store(workdir)


def run_until_lost(config: pathlib.Path, workdir: pathlib.Path, count: int, victim: int) -> None:
    """Kill one process after some parts: all others end within a bounded time, with a line."""
    before = len(Store(workdir).parts("curves"))
    running = start_all(count, f"--config={config}", f"--workdir={workdir}")
    while running[0].poll() is None and len(Store(workdir).parts("curves")) < before + 4 * count:
        time.sleep(0.01)
    running[victim].send_signal(signal.SIGKILL)
    ends = [finish(process) for process in running]
    assert ends.pop(victim)[0] == -signal.SIGKILL
    assert [code for code, _, _ in ends] == [75] * (count - 1), ends
    for _, _, error in ends:
        assert "another process of this run was lost" in error.splitlines()[-1]
        assert "stack trace" not in error


def test_processes_that_are_lost_and_come_back_fewer_end_with_the_bits_of_one(
    config: pathlib.Path, tmp_path: pathlib.Path, alone: Store
) -> None:
    run_until_lost(config, tmp_path, count=4, victim=3)
    run_until_lost(config, tmp_path, count=2, victim=0)
    running = start_all(2, f"--config={config}", f"--workdir={tmp_path}")
    (code, out, error), (other, silent, _) = [finish(process) for process in running]
    assert (code, other) == (0, 0), error
    assert "9 done" in out
    assert "[Gloo]" not in out
    assert silent == ""
    store = Store(tmp_path)
    assert final_digests(store) == final_digests(alone)
    for kind in ("snapshots", "curves"):
        assert rows_of(store, kind) == rows_of(alone, kind)
    names = [path.name for _, path in store.parts("snapshots")]
    assert all(any(f"-p{i:04d}-" in name for name in names) for i in (0, 1))


def test_all_are_asked_to_stop_where_one_is(config: pathlib.Path, tmp_path: pathlib.Path) -> None:
    args = f"--config={config}", f"--workdir={tmp_path}", "--config.steps=100000"
    running = start_all(2, *args)
    while running[0].poll() is None and not Store(tmp_path).parts("curves"):
        time.sleep(0.01)
    running[1].send_signal(signal.SIGUSR2)
    ends = [finish(process) for process in running]
    assert [code for code, _, _ in ends] == [75, 75], ends
    assert all("run the same command again" in error for _, _, error in ends)


@pytest.mark.parametrize(
    ("flag", "value", "words"),
    [
        ("config.learning_rate", "0.01", ["process 1: config.learning_rate", "0.05"]),
        ("config.learning_rate", "-1", ["process 1: learning_rate=-1.0"]),
        ("import", "other.py", ["process 1: versions.identjax", "0.0.0"]),
    ],
)
def test_processes_that_differ_are_refused_by_field(
    config: pathlib.Path, tmp_path: pathlib.Path, flag: str, value: str, words: list[str]
) -> None:
    other = tmp_path / "other.py"
    other.write_text("import identjax.sweep.run\nidentjax.sweep.run.VERSION = '0.0.0'\n")
    value = str(other) if flag == "import" else value
    args = f"--config={config}", f"--workdir={tmp_path}/run"
    running = start_all(2, *args, **{flag: value})
    ends = [finish(process) for process in running]
    assert [code for code, _, _ in ends] == [2, 2], ends
    assert [word for word in words if word not in ends[0][2]] == []
    assert not (tmp_path / "run").exists()


def test_a_coordinator_that_cannot_be_reached_is_one_line(
    config: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    args = f"--config={config}", f"--workdir={tmp_path}/run", "--distributed", "--join_seconds=2"
    ends = {
        "coordinator='localhost:9'": ["--coordinator=localhost:9", "--process_id=1"],
        "did not find each other": ["--coordinator=localhost:0", "--process_id=0"],
    }
    with socket.socket() as free:
        free.bind(("localhost", 0))
        ends["did not find each other"][0] = f"--coordinator=localhost:{free.getsockname()[1]}"
    for words, flags in ends.items():
        code, _, error = finish(start(*args, "--processes=2", *flags))
        assert (code, len(error.splitlines())) == (2, 1), error
        assert words in error
    code, _, error = finish(start(*args, "--processes=2"))
    assert (code, "all of --coordinator" in error) == (2, True)


# Prints the digests that a run ends with, and the collectives in its member step.
PROGRAM = """
import sys, pathlib
from tests.sweep.harness import final_digests, plan_of, train
from identjax.sweep.engine.device_memory import prepare
text = prepare(plan_of().groups[0])._chunk.as_text()
names = ("all-reduce", "all-gather", "all-to-all", "collective-permute", "reduce-scatter")
print("while" in text, [name for name in names if name in text])
print(sorted(final_digests(train(pathlib.Path(sys.argv[1]))[0]).items()))
"""
JOIN = """
import os, jax
jax.config.update("jax_cpu_collectives_implementation", "gloo")
jax.distributed.initialize(os.environ["AT"], 2, int(os.environ["ID"]))
"""


def start_program(text: str, workdir: pathlib.Path, **env: object) -> subprocess.Popen[str]:
    path = {"PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
    return subprocess.Popen(
        [sys.executable, "-c", text, str(workdir)],
        cwd=ROOT,
        env={**os.environ, **path, **{name: str(value) for name, value in env.items()}},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_member_step_has_no_collectives_on_8_devices_and_in_2_processes(
    tmp_path: pathlib.Path,
) -> None:
    one, eight = (start_program(PROGRAM, tmp_path / str(n), JAX_NUM_CPU_DEVICES=n) for n in (2, 8))
    found = [finish(process) for process in (one, eight)]
    assert [code for code, _, _ in found] == [0, 0], found
    assert found[0][1] == found[1][1]
    assert found[1][1].splitlines()[0] == "True []"
    with socket.socket() as free:
        free.bind(("localhost", 0))
        at = f"localhost:{free.getsockname()[1]}"
    only = JOIN + PROGRAM.rsplit("\n", 2)[0]  # the folder is the command's business
    pair = [start_program(only, tmp_path, AT=at, ID=i, JAX_NUM_CPU_DEVICES=1) for i in (0, 1)]
    for code, out, error in map(finish, pair):
        assert (code, out.splitlines()[-1]) == (0, "True []"), error
