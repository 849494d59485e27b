"""Slurm on this machine alone: its three daemons in one folder, ended whatever happens."""

import contextlib
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator

PACKAGES = ("slurm-wlm", "munge")
CONFIG = """
ClusterName=here
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser=root
AuthInfo=socket={folder}/munge.socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
MailProg=/bin/true
ReturnToService=2
JobRequeue=1
SchedulerParameters=sched_interval=1,bf_interval=1
KillWait=30
NodeName={host} NodeAddr=127.0.0.1 CPUs=4 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def install() -> str:
    """Install Slurm where it is not there and may be; otherwise say why it is not."""
    if shutil.which("slurmctld") and shutil.which("munged"):
        return ""
    if os.getuid() or not shutil.which("apt-get"):
        return f"needs {' and '.join(PACKAGES)}"
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    get = "apt-get update -qq && apt-get install -y -qq --no-install-recommends"
    command = ["timeout", "300", "sh", "-c", f"{get} {' '.join(PACKAGES)}"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    return f"apt-get: {done.stderr.strip()[-200:]}" if done.returncode else ""


@contextlib.contextmanager
def slurm() -> Iterator[dict[str, str]]:
    """Start Slurm, and give the environment in which its commands find it."""
    # Not pytest's folder: a socket's path must be short, and others must be let in.
    with tempfile.TemporaryDirectory(prefix="slurm-") as name, contextlib.ExitStack() as started:
        folder = pathlib.Path(name)
        _write(folder)
        env = {**os.environ, "SLURM_CONF": f"{folder}/slurm.conf"}
        files = {"key-file": "key", "socket": "munge.socket", "pid-file": "munge.pid"}
        files |= {"seed-file": "munge.seed", "log-file": "munge.log"}
        munge = [f"--{flag}={folder}/{file}" for flag, file in files.items()]
        for command in (
            ["munged", "--foreground", "--force", *munge],
            ["slurmctld", "-D"],
            ["slurmd", "-D", "-N", socket.gethostname().split(".")[0]],
        ):
            started.enter_context(_daemon(command, env, folder))
        started.callback(_end_jobs, env)
        _wait_for(lambda: _ask(env, "sinfo", "-h", "-o", "%T") == "idle", folder)
        yield env


def _write(folder: pathlib.Path) -> None:
    folder.chmod(0o755)
    for name in ("state", "spool"):
        (folder / name).mkdir()
    (folder / "key").write_bytes(os.urandom(1024))
    (folder / "key").chmod(0o400)
    with socket.socket() as one, socket.socket() as two:
        for free in (one, two):
            free.bind(("", 0))
        ports = [free.getsockname()[1] for free in (one, two)]
    host = socket.gethostname().split(".")[0]
    (folder / "slurm.conf").write_text(CONFIG.format(host=host, ports=ports, folder=folder))


@contextlib.contextmanager
def _daemon(command: list[str], env: dict[str, str], folder: pathlib.Path) -> Iterator[None]:
    with (folder / f"{command[0]}.out").open("w") as out:
        process = subprocess.Popen(command, env=env, stdout=out, stderr=out)
    try:
        if command[0] == "munged":
            _wait_for((folder / "munge.socket").exists, folder)
        yield
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(20)
        process.kill()
        process.wait()


def _end_jobs(env: dict[str, str]) -> None:
    """End what still runs, so that nothing outlives the daemons."""
    _ask(env, "scancel", "--signal=KILL", "--full", "--user=root")
    _ask(env, "scancel", "--user=root")
    until = time.monotonic() + 20
    while _ask(env, "squeue", "-h") and time.monotonic() < until:
        time.sleep(0.2)


def _ask(env: dict[str, str], *command: str) -> str:
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=30)
    return done.stdout.strip()


def _wait_for(ready, folder: pathlib.Path, seconds: float = 40) -> None:
    until = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > until:
            logs = [f"{path.name}: {path.read_text()[-2000:]}" for path in folder.glob("*.out")]
            raise TimeoutError("\n".join(logs))
        time.sleep(0.1)
