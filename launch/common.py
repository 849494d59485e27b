"""What all commands share: one line and an exit code for each kind of ending."""

import contextlib
import inspect
import os
import pathlib
import shlex
import sys
from collections.abc import Callable

import jax
from absl import flags, logging
from ml_collections import config_flags

from identjax.errors import ConfigError
from identjax.processes import RefusedElsewhere
from identjax.store import StoreError
from identjax.sweep.engine.device_memory import OutOfMemory
from identjax.sweep.engine.group_run import Preempted
from identjax.sweep.plan.request import (
    Request,
    find_field,
    import_source,
    make_request,
    to_plain,
)
from launch import cluster
from launch.exit_codes import BAD_USAGE, DONE, FAILED, PREEMPTED

flags.DEFINE_multi_string(
    "import", [], "A Python file (or module) that registers languages, models or objectives."
)


def run(main: Callable[[], None]) -> None:
    """Run a command: parse its flags, call it, and end with a line and an exit code."""
    if "JAX_NUM_CPU_DEVICES" not in os.environ:
        with contextlib.suppress(RuntimeError):  # where the devices are in use already
            jax.config.update("jax_num_cpu_devices", len(os.sched_getaffinity(0)))
    # An accelerator's default is less, which would show in a KL.
    jax.config.update("jax_default_matmul_precision", "float32")
    try:
        code = _run(main)
    except Exception as error:
        if not jax.distributed.is_initialized():
            raise
        code = cluster.tell(error)
    if jax.distributed.is_initialized():
        cluster.leave(code)
    if code == FAILED:
        # The threads of a writer that failed would talk over the line.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def _run(main: Callable[[], None]) -> int:
    try:
        _parse(sys.argv)
        # Whatever goes wrong is raised, and told here in one line.
        logging.set_verbosity(logging.FATAL)
        for source in flags.FLAGS["import"].value:
            import_source(source)
        main()
    except ConfigError as error:
        return _end(str(error), BAD_USAGE)
    except Preempted as preempted:
        return _end(f"preempted: {preempted}; run the same command again to go on", PREEMPTED)
    except RefusedElsewhere as refused:
        return _end(str(refused), BAD_USAGE if refused.is_usage else FAILED)
    except (StoreError, OutOfMemory) as error:
        return _end(str(error), FAILED)
    except KeyboardInterrupt:
        return _end("interrupted; run the same command again to go on", 130)
    return DONE


def _end(line: str, code: int) -> int:
    print(f"{pathlib.Path(sys.argv[0]).stem}: {' '.join(line.split())}", file=sys.stderr)
    return code


def _parse(argv: list[str]) -> None:
    if {"--help", "-h", "-help"} & set(argv[1:]):
        print(inspect.getdoc(sys.modules["__main__"]), "\n")
        print(flags.FLAGS.main_module_help())
        sys.exit(DONE)
    try:
        rest = flags.FLAGS(argv)
    except flags.Error as error:
        # A config that raises comes with its traceback, of which the last line says it.
        last = str(error).strip().splitlines()[-1]
        raise ConfigError("flags", " ".join(argv[1:]), last) from error
    except (AttributeError, KeyError, TypeError, ValueError, OSError) as error:
        # What ml_collections raises for a field that the config lacks, or a value of another type.
        _refuse_unknown_fields(argv)
        raise ConfigError("config", " ".join(argv[1:]), str(error)) from error
    if rest[1:]:
        raise ConfigError("argument", rest[1], "flags only, as --name=value")


def _refuse_unknown_fields(argv: list[str]) -> None:
    given = [arg.partition("=") for arg in argv[1:]]
    for path in (value for name, _, value in given if name == "--config"):
        module = import_source(path.partition(":")[0], "config")
        fields = to_plain(module.get_config())
        for name, _, _ in given:
            if name.startswith("--config."):
                find_field(fields, name.removeprefix("--config."))


def read_request(flag: str = "config") -> Request:
    """Read the config and its sweep from the flags."""
    holder = flags.FLAGS[flag]
    if holder.value is None:
        raise ConfigError(flag, "", "the path of a config, such as configs/quickstart.py")
    # After a colon stands the variant that get_config is called with.
    filename = config_flags.get_config_filename(holder).partition(":")[0]
    overrides = dict(config_flags.get_override_values(holder))
    command = shlex.join(["python", "-m", "launch.sweep", *sys.argv[1:]])
    return make_request(filename, overrides, to_plain(holder.value), command, flag)


def need(flag: str, value: str | None) -> str:
    """Give the value of a flag that must be set."""
    if not value:
        raise ConfigError(flag, value, f"set it with --{flag}=…")
    return value


def flags_given(*names: str) -> list[str]:
    """Give what the command line says of some flags and their fields, as --name=value."""
    found, rest = [], sys.argv[1:]
    while rest:
        head, *rest = rest
        name, equals, _ = head.lstrip("-").partition("=")
        if not head.startswith("-") or name.partition(".")[0] not in names:
            continue
        apart = not equals and rest and not rest[0].startswith("--")
        found.append(f"--{name}={rest.pop(0)}" if apart else f"--{head.lstrip('-')}")
    return found
