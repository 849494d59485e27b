"""One run of several processes: each is started with --distributed, and all find each other.

A process runs in a child, because JAX's runtime ends a process that has lost the others by an
abort with a stack trace; whoever started it gets one line and an exit code instead.
"""

import ctypes
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from typing import IO

import jax
from absl import flags

from identjax import processes
from identjax.errors import ConfigError
from identjax.store import Store
from launch.exit_codes import BAD_USAGE, DONE, FAILED, PREEMPTED

DISTRIBUTED = flags.DEFINE_bool("distributed", False, "Be one process of a run of several.")
COORDINATOR = flags.DEFINE_string(
    "coordinator", None, "HOST:PORT of process 0; found out on Slurm, Open MPI and TPU VMs."
)
PROCESSES = flags.DEFINE_integer("processes", None, "How many processes; found out as above.", 1)
PROCESS_ID = flags.DEFINE_integer("process_id", None, "Which of them; found out as above.", 0)
JOIN_SECONDS = flags.DEFINE_integer("join_seconds", 120, "How long to wait for the others.", 1)

_CHILD = "IDENTJAX_CLUSTER_CHILD"
_JOINED = "has joined"
_HEARTBEAT_SECONDS = 60
_LINGER_SECONDS = 2.0
# What the runtime logs before it aborts, and while it connects.
_NOISE = re.compile(
    r"[IWE]\d{4} |WARNING: All log|Additional GRPC|:UNKNOWN:|The tasks have crashed"
)
_FATAL = re.compile(r"F\d{4} ")
# What the runtime says, through whatever was at work, when another process is gone.
_OF_A_LOSS = re.compile("Gloo|NCCL|[Cc]oordination|UNAVAILABLE|DEADLINE_EXCEEDED|closed by peer")
_LOST = "preempted: another process of this run was lost; run the same command again to go on"


def enter() -> None:
    """Join the other processes where --distributed says so; otherwise be alone."""
    if not DISTRIBUTED.value:
        return
    _check_flags()
    if _CHILD not in os.environ:
        sys.exit(_supervise())
    _die_with_parent()
    _join()


def open_store(workdir: str) -> Store:
    """Open a results folder; of several processes the first one writes what is there once."""
    return Store(workdir, leads=processes.is_first())


def say(line: str) -> None:
    """Print a line, once for all processes."""
    if processes.is_first():
        print(line, flush=True)


def tell(error: Exception) -> int:
    """Say that another process was lost, or else what went wrong; give the exit code."""
    if not _OF_A_LOSS.search(str(error)):
        traceback.print_exception(error)
        return FAILED
    print(f"sweep: {_LOST}", file=sys.stderr)
    return PREEMPTED


def leave(code: int) -> None:
    """End this process, the first one last, without the runtime's own farewell.

    That one waits for all, however they ended, and aborts those who come late.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    if code == DONE:
        processes.exchange(None)
    if processes.is_first():
        time.sleep(_LINGER_SECONDS)  # so that the others end by themselves
    os._exit(code)


def _check_flags() -> None:
    given = (COORDINATOR.value, PROCESSES.value, PROCESS_ID.value)
    if any(value is not None for value in given) and None in given:
        allowed = "all of --coordinator, --processes and --process_id, or none"
        raise ConfigError("distributed", given, allowed)
    if COORDINATOR.value is None:
        return
    if not re.fullmatch(r".+:\d+", COORDINATOR.value):
        raise ConfigError("coordinator", COORDINATOR.value, "HOST:PORT")
    if PROCESS_ID.value >= PROCESSES.value:
        raise ConfigError("process_id", PROCESS_ID.value, f"0 to {PROCESSES.value - 1}")


def _join() -> None:
    # On CPU the processes speak over gloo.
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    try:
        jax.distributed.initialize(
            COORDINATOR.value,
            PROCESSES.value,
            PROCESS_ID.value,
            initialization_timeout=JOIN_SECONDS.value,
            heartbeat_timeout_seconds=_HEARTBEAT_SECONDS,
        )
    except (ValueError, RuntimeError) as error:
        allowed = "give --coordinator, --processes and --process_id, or run under Slurm, Open MPI "
        reason = str(error).splitlines()[0]
        raise ConfigError("distributed", True, f"{allowed}or on TPU VMs ({reason})") from error
    print(f"process {jax.process_index()} of {jax.process_count()} {_JOINED}", file=sys.stderr)


def _supervise() -> int:
    """Run this command in a child, and tell of its end in a line."""
    _reach_coordinator()
    child = subprocess.Popen(
        [sys.executable, *sys.orig_argv[1:]],
        env={**os.environ, _CHILD: "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    printing = threading.Thread(target=_pass_on, args=[child.stdout])
    printing.start()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, lambda number, _: child.send_signal(number))
    joined = fatal = told = False
    assert child.stderr is not None
    for line in child.stderr:
        joined |= _JOINED in line
        fatal |= _FATAL.match(line) is not None
        if not fatal and not _NOISE.match(line):
            told |= "preempted:" in line
            sys.stderr.write(line)
            sys.stderr.flush()
    code = child.wait()
    printing.join()
    # The runtime may abort while the line is being said.
    if code >= 0 and (told or code != PREEMPTED):
        return code
    if not joined:
        where = COORDINATOR.value or "the coordinator"
        line = f"the processes did not find each other at {where} within {JOIN_SECONDS.value} s"
        print(f"sweep: {line}", file=sys.stderr)
        return BAD_USAGE
    if not told:
        print(f"sweep: {_LOST}", file=sys.stderr)
    return PREEMPTED


def _pass_on(lines: IO[str]) -> None:
    """Print what the child prints, less what gloo says of its connections."""
    for line in lines:
        if not line.startswith("[Gloo]"):
            sys.stdout.write(line)
            sys.stdout.flush()


def _reach_coordinator() -> None:
    """Wait until process 0 listens, for a bounded time."""
    if COORDINATOR.value is None or PROCESS_ID.value == 0:
        return
    host, _, port = COORDINATOR.value.rpartition(":")
    until = time.monotonic() + JOIN_SECONDS.value
    while True:
        try:
            socket.create_connection((host, int(port)), timeout=5).close()
        except OSError as error:
            if time.monotonic() > until:
                allowed = f"an address that answers within {JOIN_SECONDS.value} s ({error})"
                raise ConfigError("coordinator", COORDINATOR.value, allowed) from error
            time.sleep(0.2)
        else:
            return


def _die_with_parent() -> None:
    """Ask Linux to end this process with the one that watches it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
