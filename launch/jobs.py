"""What a scheduler runs: one shard of a sweep, saved and queued again when it is preempted."""

import contextlib
import dataclasses
import io
import os
import pathlib
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

from identjax.errors import ConfigError
from identjax.registry import read_pairs
from launch.exit_codes import PREEMPTED

_POLL_SECONDS = 0.2
_ASK_SECONDS = 2.0
_FILE_SECONDS = 10.0


def make_executor(folder: str, launcher: str, minutes: int, options: Sequence[str]):
    """Make submitit's executor, with its logs in a folder; options are Slurm's, as NAME=VALUE."""
    try:
        import submitit
    except ModuleNotFoundError as error:
        raise ConfigError("launcher", launcher, "pip install 'identjax[slurm]'") from error
    given = {f"slurm_{name}": value for name, value in read_pairs("slurm", options).items()}
    try:
        executor = submitit.AutoExecutor(
            folder, cluster=launcher, **{f"{launcher}_max_num_timeout": 1000}
        )
        executor.update_parameters(timeout_min=minutes, name="identjax", **given)
    except RuntimeError as error:
        raise ConfigError(
            "launcher", launcher, f"local where there is no Slurm ({error})"
        ) from error
    except (NameError, ValueError) as error:
        told = f"NAME=VALUE options of submitit's Slurm executor ({error})"
        raise ConfigError("slurm", ",".join(options), told) from error
    return executor


def submit_all(executor: Any, shards: Sequence["ShardJob"]) -> list[Any]:
    """Hand over all shards at once: to Slurm, as one array."""
    import submitit

    try:
        with contextlib.redirect_stderr(io.StringIO()), executor.batch():
            jobs = [executor.submit(shard) for shard in shards]
    except submitit.core.utils.FailedJobError as error:
        raise ConfigError("slurm", str(error).strip(), "what sbatch accepts") from error
    return jobs


def wait_for_all(jobs: Sequence[Any], launcher: str) -> list[bool]:
    """Wait until no job is left, and tell which ended well; Slurm's accounting is not needed."""
    for job in jobs if launcher == "local" else ():
        job.wait()
    while launcher == "slurm" and _are_queued(jobs):
        time.sleep(_ASK_SECONDS)
    return [_appears(job.paths.result_pickle) and job.exception() is None for job in jobs]


@dataclasses.dataclass
class ShardJob:
    """The command of one shard. submitit calls it, and asks it for a checkpoint before the end."""

    flags: list[str]
    workdir: str
    shard: str

    def __call__(self) -> int:
        """Run the command to its end; a preemption that no signal told of is queued again."""
        import submitit

        environment = submitit.JobEnvironment()
        folder = pathlib.Path(self.workdir)
        folder.mkdir(parents=True, exist_ok=True)
        paths = environment.paths
        with (folder / "jobs.txt").open("a") as file:
            file.write(f"{paths.stderr}\n{paths.stdout}\n")
        self._process = subprocess.Popen(self.command).pid
        code = self._wait()
        if code == PREEMPTED:
            if environment.cluster == "slurm" and not _runs_on(environment.raw_job_id):
                sys.exit(PREEMPTED)  # Slurm has queued it again already, or cancelled it for good
            os.kill(os.getpid(), signal.SIGUSR2)
        if code:
            raise RuntimeError(f"shard {self.shard} ended with {code}; see {paths.stderr}")
        return code

    @property
    def command(self) -> list[str]:
        """The command, which is the same whenever it is run again."""
        own = [f"--workdir={self.workdir}", f"--shard={self.shard}"]
        return [sys.executable, "-m", "launch.sweep", *self.flags, *own]

    def checkpoint(self) -> Any:
        """Let the command save and end, and give what to queue again."""
        import submitit

        try:
            os.kill(self._process, signal.SIGUSR2)
            self._wait()
        except (AttributeError, ProcessLookupError, ChildProcessError):
            pass  # it has not begun, or has ended already
        return submitit.helpers.DelayedSubmission(ShardJob(self.flags, self.workdir, self.shard))

    def _wait(self) -> int:
        # No lock is held while waiting, because `checkpoint` is called by a signal.
        while True:
            done, status = os.waitpid(self._process, os.WNOHANG)
            if done:
                return os.waitstatus_to_exitcode(status)
            time.sleep(_POLL_SECONDS)


def _runs_on(job_id: str) -> bool:
    """Tell whether Slurm still counts a job as running, as it does until it ends it itself."""
    command = ["squeue", "--noheader", "--states=all", "--format=%T", f"--jobs={job_id}"]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    return told.returncode != 0 or told.stdout.split() == ["RUNNING"]


def _are_queued(jobs: Sequence[Any]) -> bool:
    """Tell whether Slurm has one of the jobs, running or waiting; not to know counts as yes."""
    names = ",".join(sorted({job.job_id.partition("_")[0] for job in jobs}))
    command = ["squeue", "--noheader", f"--jobs={names}"]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    return bool(told.stdout.strip() or (told.returncode and "Invalid job id" not in told.stderr))


def _appears(path: pathlib.Path) -> bool:
    """Wait a little for a file, which another machine may have written just now."""
    until = time.monotonic() + _FILE_SECONDS
    while not path.exists() and time.monotonic() < until:
        time.sleep(_POLL_SECONDS)
    return path.exists()
