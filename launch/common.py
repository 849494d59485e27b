"""What all commands share: one line and an exit code for each kind of ending."""

import contextlib
import dataclasses
import importlib.util
import inspect
import os
import pathlib
import shlex
import sys
import types
from collections.abc import Callable, Mapping
from typing import Any

import jax
from absl import flags, logging
from ml_collections import ConfigDict, config_flags

from identjax.errors import ConfigError, unknown_name
from identjax.processes import RefusedElsewhere
from identjax.store import StoreError
from identjax.sweep.engine.group_run import Preempted
from identjax.sweep.plan.device_memory import OutOfMemory
from launch import cluster

DONE, FAILED, BAD_USAGE, PREEMPTED = 0, 1, 2, 75

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
            place = fields
            for part in name.split(".")[1:] if name.startswith("--config.") else ():
                if not isinstance(place, dict) or part not in place:
                    raise unknown_name(
                        "config field", part, place if isinstance(place, dict) else ()
                    )
                place = place[part]


def import_source(source: str, flag: str = "import") -> types.ModuleType:
    """Import a Python file by its path, or a module by its name."""
    path = pathlib.Path(source)
    if path.suffix != ".py":
        try:
            return importlib.import_module(source)
        except ModuleNotFoundError as error:
            raise ConfigError(flag, source, "a Python file or an importable module") from error
    if not path.exists():
        raise ConfigError(flag, source, "a Python file that exists")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


@dataclasses.dataclass(frozen=True)
class Request:
    """What a user asked to be run: a config, its sweep, and what was set on the command line.

    `published` are figures that the config's PUBLISHED lays beside ours in reports.
    """

    config: dict[str, Any]
    sweep: list[dict[str, Any]]
    overrides: dict[str, Any]
    sweep_fields: list[str]
    command: str
    published: list[dict[str, Any]]

    @property
    def facts(self) -> dict[str, Any]:
        """What sweep.json keeps of it."""
        return {"config": self.config, "command": self.command, "published": self.published}


def read_request(flag: str = "config") -> Request:
    """Read the config and its sweep from the flags."""
    holder = flags.FLAGS[flag]
    if holder.value is None:
        raise ConfigError(flag, "", "the path of a config, such as configs/quickstart.py")
    # After a colon stands the variant that get_config is called with.
    filename = config_flags.get_config_filename(holder).partition(":")[0]
    overrides = dict(config_flags.get_override_values(holder))
    command = shlex.join(["python", "-m", "launch.sweep", *sys.argv[1:]])
    return make_request(flag, filename, to_plain(holder.value), overrides, command)


def read_source(request: Request, workdir: str) -> tuple[Request | None, str]:
    """Give the sweep that a sweep starts from, where its config names it, and its folder."""
    start = request.config.get("start_from")
    if not start:
        return None, ""
    start["workdir"] = start.get("workdir") or f"{workdir}/source"
    filename, _, variant = start.get("config", "").partition(":")
    if not filename:
        return None, start["workdir"]
    module = import_source(filename, "start_from.config")
    config = to_plain(module.get_config(variant))
    flags_ = f"--config={start['config']}", f"--workdir={start['workdir']}"
    command = shlex.join(["python", "-m", "launch.sweep", *flags_])
    return make_request("start_from.config", filename, config, {}, command), start["workdir"]


def make_request(
    flag: str, filename: str, config: dict[str, Any], overrides: dict[str, Any], command: str
) -> Request:
    """Lay out the members of a config file; get_sweep's parameters are filled from the config."""
    module = import_source(filename, flag)
    if not hasattr(module, "get_sweep"):
        raise ConfigError(flag, filename, "a file with get_config() and get_sweep()")
    wanted = [name for name in inspect.signature(module.get_sweep).parameters if name in config]
    settings = list(module.get_sweep(**{name: config[name] for name in wanted}))
    published = to_plain(getattr(module, "PUBLISHED", []))
    return Request(config, settings, overrides, wanted, command, published)


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


def to_plain(value: Any) -> Any:
    """Turn a ConfigDict into dicts, lists and numbers."""
    if isinstance(value, ConfigDict | Mapping):
        return {name: to_plain(part) for name, part in value.items()}
    return [to_plain(part) for part in value] if isinstance(value, list | tuple) else value
