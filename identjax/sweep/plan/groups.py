"""From a config to members, groups and widths, before anything is compiled."""

import copy
import dataclasses
import functools
import hashlib
import itertools
import json
import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import jax

from identjax.axes import Axis
from identjax.errors import ConfigError, unknown_name
from identjax.languages.definition import LANGUAGES
from identjax.models.costs import count_bytes
from identjax.models.model import MODELS
from identjax.registry import Registry
from identjax.rungs import FINAL, name_epsilon, name_step
from identjax.sweep.plan.starts import Starts
from identjax.training.member import KINDS, Member, resolve
from identjax.training.objective import check_apart
from identjax.training.precision import PRECISIONS, Precision, check_precision
from identjax.training.step import Shared, Trainer, TrainState, hyper_of, make_trainer

# Beyond these widths a slot costs no less, whatever it holds; see `--suite=train` of the bench.
_WIDEST = {"cpu": 16, "gpu": 512, "tpu": 512}
# Bytes of the slots of a device beyond which a step leaves a core's caches and slows down. On two
# cores the best width was 1 to 2 for steps of 2.7 MiB, 2 for 2.3 MiB and 8 for 0.65 MiB.
_WORKING_SET = {"cpu": 6 * 2**20}
_SHARE_OF_MEMORY = 0.5


@dataclasses.dataclass(frozen=True)
class RunSettings:
    """What belongs to the whole run and to no member's trajectory.

    `rungs` are the ε, in nats per sequence, at which snapshots are taken; `snapshot_steps` are
    further steps to take them at; `keep` names the rungs whose snapshots keep their parameters
    ("0.01", "@500", "final"), all if it is empty; `width` is the number of slots per device, 0 for
    the rule; `chunk_steps` is how many steps one call takes, 0 for as many as fit; `save_seconds`
    is the time between checkpoints; `measures` names what is evaluated beside what always is.
    """

    rungs: tuple[float, ...] = (1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001)
    snapshot_steps: tuple[int, ...] = ()
    keep: tuple[str, ...] = ()
    width: int = 0
    chunk_steps: int = 0
    save_seconds: float = 15.0
    measures: tuple[str, ...] = ()

    def keeps(self, rung: str) -> bool:
        """Tell whether a snapshot of this rung has its parameters."""
        return not self.keep or rung in self.keep


# These change no result, so a workdir may be continued with others.
FREE_SETTINGS = ("chunk_steps", "keep", "save_seconds", "measures")


@dataclasses.dataclass(frozen=True)
class Group:
    """Members of one compiled shape, and the slots per device that they run in.

    `make_program` gives the step of its members and what they share; it is made once.
    """

    name: str
    members: tuple[Member, ...]
    make_program: Callable[[], tuple[Trainer, Shared]]
    width: int
    starts: Starts | None = None

    @property
    def precision(self) -> Precision:
        """In which numbers its members are trained."""
        return PRECISIONS[self.members[0].precision]

    @property
    def state_bytes(self) -> int:
        """The bytes of one slot: parameters, optimizer and the rest."""
        leaves = jax.tree.leaves(self._state)
        return sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in leaves)

    @property
    def step_bytes(self) -> int:
        """What a step of one slot holds, estimated from its program before it is compiled.

        XLA's own plan was between 0.7 and 1.6 times that for the configurations of the bench.
        """
        trainer, shared = self.make_program()
        with self.precision.enabled():
            return count_bytes(trainer.update, self._state, shared)

    @property
    def _state(self) -> TrainState:
        with self.precision.enabled():
            return jax.eval_shape(self.make_program()[0].init, hyper_of(self.members[0]))


@dataclasses.dataclass(frozen=True)
class Plan:
    """A sweep that can be run: settings, and groups in order.

    `whole` tells the sweep of which `shard`, "i/n", may be a part: how many members, their digest.
    """

    settings: RunSettings
    groups: tuple[Group, ...]
    whole: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    shard: str | None = None

    @property
    def members(self) -> list[Member]:
        """All members, group by group."""
        return [member for group in self.groups for member in group.members]


def make_plan(
    config: Mapping[str, Any],
    sweep: Axis,
    overrides: Mapping[str, Any] | None = None,
    extra_fields: Sequence[str] = (),
    widths: Mapping[str, int] | None = None,
) -> Plan:
    """Resolve a config and its sweep.

    `overrides` are fields set on the command line, which win over axes; `extra_fields` are read
    by the sweep alone; `widths` are those of a workdir that is continued.
    """
    fixed = {k: v for k, v in config.items() if k not in extra_fields}
    run_fields = {field.name for field in dataclasses.fields(RunSettings)}
    known = {*run_fields, *KINDS, "start_from", *extra_fields}
    for name in fixed:
        if name not in known:
            raise unknown_name("config field", name, known)
    starts = Starts(fixed["start_from"]) if fixed.get("start_from") else None
    settings = make_settings({k: v for k, v in fixed.items() if k in run_fields})
    base = {k: v for k, v in fixed.items() if k in KINDS}
    by_id: dict[str, Member] = {}
    for choice in sweep:
        member = resolve_choice(base, choice, overrides or {})
        member = starts.attach(member) if starts else _check_drawn(member)
        by_id.setdefault(member.member_id, member)
    if not by_id:
        raise ConfigError("sweep", "empty", "a get_sweep() that gives at least one setting")
    members = list(by_id.values())
    for step, every in itertools.product(
        settings.snapshot_steps, sorted({member.check_every for member in members})
    ):
        if step % every:
            raise ConfigError("snapshot_steps", step, f"multiples of check_every ({every})")
    check_objectives(members)
    for precision in sorted({member.precision for member in members}):
        check_precision(precision)
    groups = make_groups(members, settings, widths or {}, starts)
    ordered = sorted(members, key=lambda member: member.member_id)
    return Plan(settings, groups, {"members": len(members), "digest": digest_of(ordered)})


def digest_of(members: Iterable[Member]) -> str:
    """Give a digest of some members in their order."""
    text = " ".join(member.member_id for member in members)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _check_drawn(member: Member) -> Member:
    """Refuse to change parameters that are not there yet."""
    if member.change != "none" or member.start_digest:
        allowed = "a workdir and a rung, because members have a start or a change"
        raise ConfigError("start_from", None, allowed)
    return member


def make_settings(values: Mapping[str, Any]) -> RunSettings:
    """Check the fields of the run; rungs are put in order, the widest first."""
    given = dict(values)
    kinds = {"rungs": float, "snapshot_steps": int, "keep": str, "measures": str}
    for name in kinds.keys() & values.keys():
        try:
            given[name] = tuple(map(kinds[name], values[name]))
        except (TypeError, ValueError) as error:
            raise ConfigError(name, values[name], "a list of numbers") from error
    settings = RunSettings(**given)
    rungs, steps = sorted(settings.rungs, reverse=True), settings.snapshot_steps
    if any(rung <= 0 for rung in rungs) or len(set(rungs)) < len(rungs):
        raise ConfigError("rungs", settings.rungs, "different numbers above 0")
    if any(step < 1 for step in steps):
        raise ConfigError("snapshot_steps", steps, "steps of 1 or more")
    known = [*map(name_epsilon, settings.rungs), *map(name_step, steps), FINAL]
    for name in settings.keep:
        if name not in known:
            raise unknown_name("keep", name, known)
    for name, kind in (("width", int), ("chunk_steps", int), ("save_seconds", int | float)):
        value = getattr(settings, name)
        if not isinstance(value, kind) or value < 0:
            raise ConfigError(name, value, f"a {'whole ' * (kind is int)}number of 0 or more")
    return dataclasses.replace(settings, rungs=tuple(rungs))


def resolve_choice(
    base: Mapping[str, Any], choice: Mapping[str, Any], overrides: Mapping[str, Any]
) -> Member:
    """Lay one setting of the sweep over the base, and resolve the member that it makes."""
    values = copy.deepcopy(dict(base))
    for path, value in choice.items():
        if path in overrides:
            continue
        *parents, last = path.split(".")
        place: Any = values
        for parent in parents:
            place = place.setdefault(parent, {})
            if not isinstance(place, dict):
                raise ConfigError("axis", path, f"a field of the config ({parent} has no parts)")
        place[last] = value
    for field, registry, chooser in _BY_NAME:
        chosen = registry.canonical(values.get(chooser, getattr(Member, chooser)))
        parts = {registry.canonical(k): v for k, v in values.get(field, {}).items()}
        values[field] = dict(parts.get(chosen, {}))
    return resolve(values)


# In a config these hold options by name, because one sweep may have several of each.
_BY_NAME: tuple[tuple[str, Registry[Any], str], ...] = (
    ("model", MODELS, "architecture"),
    ("language_options", LANGUAGES, "language"),
)


def check_objectives(members: Sequence[Member]) -> None:
    """Refuse objectives that leave no prompts to judge the members of a language on."""
    taught: dict[str, tuple[Member, set[str]]] = {}
    for member in members:
        truth = json.dumps([member.language, member.max_length, member.language_options])
        taught.setdefault(truth, (member, set()))[1].add(member.objective)
    for one, objectives in taught.values():
        check_apart(objectives, one.truth)


def make_groups(
    members: Sequence[Member],
    settings: RunSettings,
    widths: Mapping[str, int],
    starts: Starts | None,
) -> tuple[Group, ...]:
    """Gather members by compiled shape; within a group the longest runs come first."""
    gathered: dict[str, list[Member]] = {}
    for member in members:
        gathered.setdefault(member.group, []).append(member)
    groups = []
    for name, found in gathered.items():
        ordered = sorted(found, key=lambda member: (-member.steps, member.member_id))
        program = functools.cache(functools.partial(make_trainer, ordered[0]))
        width = widths.get(name) or settings.width
        group = Group(name, tuple(ordered), program, width, starts)
        if not width:
            width = choose_width(len(found), group.step_bytes, find_devices())
        groups.append(dataclasses.replace(group, width=width))
    return tuple(groups)


@dataclasses.dataclass(frozen=True)
class Devices:
    """What the width depends on besides the members: how many devices, of which kind and memory."""

    count: int
    platform: str
    memory: float


def find_devices() -> Devices:
    """Describe the devices of this run."""
    device = jax.local_devices()[0]
    stats = device.memory_stats() or {}
    memory = stats.get("bytes_limit", float("inf"))
    if device.platform == "cpu":
        pages = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        memory = pages / jax.local_device_count()
    return Devices(jax.device_count(), device.platform, memory)


def choose_width(members: int, slot_bytes: float, devices: Devices) -> int:
    """Give the canonical width: a power of two, not below the members per device unless capped."""
    share = -(-members // devices.count)
    room = min(_SHARE_OF_MEMORY * devices.memory, _WORKING_SET.get(devices.platform, float("inf")))
    widest = _WIDEST.get(devices.platform, 64)
    fits = int(min(max(room / slot_bytes, 1), widest))
    return int(min(1 << (share - 1).bit_length(), 1 << (fits.bit_length() - 1)))
