"""What a scheduler runs: one shard of a sweep, saved and queued again when it is preempted."""

import dataclasses
import os
import pathlib
import signal
import subprocess
import sys
import time
from typing import Any

PREEMPTED = 75
_POLL_SECONDS = 0.2


@dataclasses.dataclass
class ShardJob:
    """The command of one shard. submitit calls it, and asks it for a checkpoint before the end."""

    flags: list[str]
    workdir: str
    shard: str

    def __call__(self) -> int:
        """Run the command to its end; a preemption that no signal told of is queued again."""
        import submitit

        folder = pathlib.Path(self.workdir)
        folder.mkdir(parents=True, exist_ok=True)
        paths = submitit.JobEnvironment().paths
        with (folder / "jobs.txt").open("a") as file:
            file.write(f"{paths.stderr}\n{paths.stdout}\n")
        self._process = subprocess.Popen(self.command).pid
        code = self._wait()
        if code == PREEMPTED:
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
        except (ProcessLookupError, ChildProcessError):
            pass  # it has ended already
        return submitit.helpers.DelayedSubmission(ShardJob(self.flags, self.workdir, self.shard))

    def _wait(self) -> int:
        # No lock is held while waiting, because `checkpoint` is called by a signal.
        while True:
            done, status = os.waitpid(self._process, os.WNOHANG)
            if done:
                return os.waitstatus_to_exitcode(status)
            time.sleep(_POLL_SECONDS)
