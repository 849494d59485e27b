"""A config file, with some of its fields changed, as the members that it asks for, or a shard."""

import dataclasses
import importlib.util
import inspect
import pathlib
import re
import shlex
import sys
import types
from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict

from identjax.errors import ConfigError, unknown_name
from identjax.sweep.plan.groups import Plan, make_plan


@dataclasses.dataclass(frozen=True)
class Request:
    """What is asked to be run: a config, its sweep, and which fields win over the sweep's axes.

    `sweep_fields` are read by get_sweep alone; `published` are figures that the config's PUBLISHED
    lays beside ours in reports.
    """

    config: dict[str, Any]
    sweep: list[dict[str, Any]]
    overrides: Mapping[str, Any]
    sweep_fields: list[str]
    command: str
    published: list[dict[str, Any]]

    @property
    def facts(self) -> dict[str, Any]:
        """What sweep.json keeps of it."""
        return {"config": self.config, "command": self.command, "published": self.published}

    def plan(self, widths: Mapping[str, int] | None = None) -> Plan:
        """Make its members and groups; `widths` are those of a folder that is continued."""
        return make_plan(self.config, self.sweep, self.overrides, self.sweep_fields, widths)


def make_request(
    source: str,
    overrides: Mapping[str, Any] | None = None,
    config: dict[str, Any] | None = None,
    command: str = "",
    flag: str = "config",
) -> Request:
    """Read FILE.py or FILE.py:VARIANT, and change fields of its config, named by their paths.

    get_sweep's parameters are filled from the config. A `config` that is given has the changes.
    """
    filename, _, variant = source.partition(":")
    module, overrides = import_source(filename, flag), overrides or {}
    if not hasattr(module, "get_config") or not hasattr(module, "get_sweep"):
        raise ConfigError(flag, filename, "a file with get_config() and get_sweep()")
    if config is None:
        config = to_plain(module.get_config(*filter(None, [variant])))
        for path, value in overrides.items():
            above, name = find_field(config, path)
            above[name] = to_plain(value)
    wanted = [name for name in inspect.signature(module.get_sweep).parameters if name in config]
    sweep = list(module.get_sweep(**{name: config[name] for name in wanted}))
    published = to_plain(getattr(module, "PUBLISHED", []))
    return Request(config, sweep, overrides, wanted, command, published)


def read_source(request: Request, workdir: str) -> tuple[Request | None, str]:
    """Give the sweep that a sweep starts from, where its config names it, and its folder."""
    start = request.config.get("start_from")
    if not start:
        return None, ""
    start["workdir"] = start.get("workdir") or f"{workdir}/source"
    if not start.get("config"):
        return None, start["workdir"]
    flags = f"--config={start['config']}", f"--workdir={start['workdir']}"
    command = shlex.join(["python", "-m", "launch.sweep", *flags])
    source = make_request(start["config"], command=command, flag="start_from.config")
    return source, start["workdir"]


@dataclasses.dataclass(frozen=True)
class Shard:
    """Part `index` of `count`, for a machine that knows nothing of those with the others.

    A member's part follows from its id alone, and widths are those of the whole sweep, so a
    member's bits are the same in any split. See docs/scaling.md.

    >>> Shard(0, 2).holds("00000000000a"), Shard(0, 2).holds("00000000000b")
    (True, False)
    """

    index: int
    count: int

    def holds(self, member_id: str) -> bool:
        """Tell whether a member belongs to this part."""
        return int(member_id, 16) % self.count == self.index

    def of(self, plan: Plan) -> Plan:
        """Give this part of a plan; groups keep their names and widths even where none is left."""
        groups = [
            dataclasses.replace(
                group, members=tuple(m for m in group.members if self.holds(m.member_id))
            )
            for group in plan.groups
        ]
        return dataclasses.replace(plan, groups=tuple(groups), shard=f"{self.index}/{self.count}")


def parse_shard(text: str) -> Shard:
    """Read "i/n"."""
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    shard = Shard(*map(int, match.groups())) if match else Shard(0, 0)
    if not 0 <= shard.index < shard.count:
        raise ConfigError("shard", text, "i/n with i from 0 to n - 1, such as 0/4")
    return shard


def find_field(config: dict[str, Any], path: str) -> tuple[dict[str, Any], str]:
    """Give the part of a config that holds a field, and the field's last name."""
    place: Any = config
    for name in path.split("."):
        above, known = place, place if isinstance(place, dict) else {}
        if name not in known:
            raise unknown_name("config field", name, known)
        place = known[name]
    return above, name


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


def to_plain(value: Any) -> Any:
    """Turn a ConfigDict into dicts, lists and numbers."""
    if isinstance(value, ConfigDict | Mapping):
        return {name: to_plain(part) for name, part in value.items()}
    return [to_plain(part) for part in value] if isinstance(value, list | tuple) else value
