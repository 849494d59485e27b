"""A member's configuration: each field says in its type how it enters the program.

Static fields shape the program, so members that share them share one compilation. Swept fields
are numbers carried as arrays. A Gated field is swept too, but whether it is above zero is static,
because at zero the work is not done at all. Origins say where a member's first parameters come
from, which no program reads. Tags are for people and tables only.

What has its default is no part of an id or of a group's name, so a new field leaves both as they
are. Hence a default never changes, neither here nor among a model's options.
"""

import dataclasses
import functools
import hashlib
import json
import math
import typing
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from identjax import languages, models
from identjax.errors import ConfigError, unknown_name
from identjax.languages.definition import LANGUAGES
from identjax.languages.language import Language
from identjax.models.model import MODELS, Model
from identjax.models.symmetries import CHANGES, check_change
from identjax.registry import Registry
from identjax.training.objective import MLE, NO_TEACHER, OBJECTIVES, TEACHERS
from identjax.training.optimizers import OPTIMIZERS, SCHEDULES
from identjax.training.precision import PRECISIONS

T = TypeVar("T")
Static = Annotated[T, "static"]
Swept = Annotated[T, "swept"]
Gated = Annotated[T, "gated"]
Origin = Annotated[T, "origin"]
Tag = Annotated[T, "tag"]

NAMED: dict[str, Registry[Any]] = {
    "language": LANGUAGES,
    "architecture": MODELS,
    "objective": OBJECTIVES,
    "teacher": TEACHERS,
    "optimizer": OPTIMIZERS,
    "change": CHANGES,
    "schedule": SCHEDULES,
}
ROLES = ("select", "report")
BATCHINGS = ("auto", "support", "stratified", "iid")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Member:
    """One model with one set of choices."""

    language: Static[str] = "L3"
    max_length: Static[int] = 32
    language_options: Static[Mapping[str, Any]] = dataclasses.field(default_factory=dict)
    architecture: Static[str] = "transformer"
    preset: Static[str] = "small"
    model: Static[Mapping[str, Any]] = dataclasses.field(default_factory=dict)
    objective: Static[str] = MLE
    teacher: Static[str] = NO_TEACHER
    optimizer: Static[str] = "adamw"
    schedule: Static[str] = "cosine"
    beta1: Static[float] = 0.9
    beta2: Static[float] = 0.999
    momentum: Static[float] = 0.0
    batch: Static[int] = 128
    batching: Static[str] = "auto"
    precision: Static[str] = "float32"
    check_every: Static[int] = 100
    check_size: Static[int] = 512

    steps: Swept[int] = 2000
    learning_rate: Swept[float] = 3e-3
    weight_decay: Swept[float] = 0.01
    warmup: Swept[int] = 100
    clip: Gated[float] = 1.0
    dropout: Gated[float] = 0.0
    objective_weight: Gated[float] = 1.0
    label_noise: Gated[float] = 0.0
    stop_below: Swept[float] = 0.0
    init_seed: Swept[int] = 0
    data_seed: Swept[int] = 0
    noise_seed: Swept[int] = 0

    start_digest: Origin[str] = ""
    change: Origin[str] = "none"
    alpha: Origin[float] = 1.0
    change_seed: Origin[int] = 0

    role: Tag[str] = "report"
    start_member: Tag[str] = ""
    start_rung: Tag[str] = ""

    @property
    def fields(self) -> dict[str, Any]:
        """All fields by name."""
        return {name: getattr(self, name) for name in KINDS}

    @functools.cached_property
    def member_id(self) -> str:
        """The digest of what the resolved configuration changes of the defaults, tags aside."""
        return _digest({k: v for k, v in self._changed.items() if KINDS[k] != "tag"}, 6)

    @functools.cached_property
    def group(self) -> str:
        """The name of the group: the members that one compiled program trains."""
        changed, plain = self._changed, self._plain
        shape = {k: v for k, v in changed.items() if KINDS[k] == "static"}
        gates = {k: v > 0 for k, v in changed.items() if KINDS[k] == "gated"}
        shape |= {k: on for k, on in gates.items() if on != (plain[k] > 0)}
        return f"{self.language}-{self.architecture}-{_digest(shape, 3)}"

    @property
    def _changed(self) -> dict[str, Any]:
        """What is not as by default; of the model's options, by default of its family."""
        options = _difference(self.model, _defaults(MODELS[self.architecture]))
        return _difference(self.fields, self._plain) | {"model": options}

    @property
    def _plain(self) -> dict[str, Any]:
        kind: Any = type(self)
        return _defaults(kind)

    @property
    def truth(self) -> Language:
        """The language that it learns."""
        return languages.make(self.language, self.max_length, **self.language_options)

    def build_model(self) -> Model:
        """Make the model that it is, for the symbols of its language."""
        return models.make(
            self.architecture,
            vocabulary=self.truth.vocabulary,
            max_length=self.max_length,
            preset=self.preset,
            **self.model,
        )


def _digest(values: Mapping[str, Any], size: int) -> str:
    text = json.dumps(values, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=size).hexdigest()


@functools.cache
def _defaults(kind: type[Any]) -> dict[str, Any]:
    """Give the fields of a dataclass that have a default, with that, as JSON has it."""
    missing, fields = dataclasses.MISSING, dataclasses.fields(kind)
    found = {field.name: field.default for field in fields if field.default is not missing}
    made = {f.name: f.default_factory() for f in fields if f.default_factory is not missing}
    return {k: list(v) if isinstance(v, tuple) else v for k, v in (found | made).items()}


def _difference(values: Mapping[str, Any], plain: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in values.items() if k not in plain or v != plain[k]}


_TYPES = typing.get_type_hints(Member)
KINDS: dict[str, str] = {
    name: hint.__metadata__[0]
    for name, hint in typing.get_type_hints(Member, include_extras=True).items()
}


@functools.cache
def fields_of(*kinds: str) -> tuple[str, ...]:
    """List the fields of the given kinds, in the order of the class."""
    return tuple(name for name, kind in KINDS.items() if kind in kinds)


_COUNTS = ("max_length", "batch", "check_every", "check_size", "steps")
_AMOUNTS = ("weight_decay", "clip", "warmup", "stop_below", "momentum", "objective_weight")
_SEEDS = ("init_seed", "data_seed", "noise_seed", "change_seed")
_SHARES = ("dropout", "label_noise", "beta1", "beta2")
# From the first number to below the second.
_LIMITS = (
    (_COUNTS, 1, math.inf, "1 or more"),
    (_AMOUNTS, 0, math.inf, "0 or more"),
    (_SHARES, 0, 1, "0 or more and below 1"),
    (_SEEDS, 0, 2**32, "0 to 2^32 - 1"),
)


def resolve(choices: Mapping[str, Any]) -> Member:
    """Make a member from its choices: presets expanded, defaults filled, everything checked."""
    values = _typed(choices)
    member = Member(**values)
    _check_numbers(member)
    for field, known in (("batching", BATCHINGS), ("precision", PRECISIONS), ("role", ROLES)):
        if getattr(member, field) not in known:
            raise unknown_name(field, getattr(member, field), known)
    for field, registry in NAMED.items():
        values[field] = registry.canonical(getattr(member, field))
    if values["objective"] == MLE:
        values["objective_weight"] = 0.0  # so that a sweep over weights has each member once
    member = Member(**values)
    model = member.build_model()
    check_change(model, member.change, member.alpha)
    if member.change != "none" and member.dropout > 0:
        raise ConfigError("dropout", member.dropout, f"0 where change is {member.change!r}")
    return dataclasses.replace(member, model=model.options(), batching=_choose_batching(member))


def _choose_batching(member: Member) -> str:
    """Take the whole support where it fits a batch, and strata where lengths can be chosen."""
    language = member.truth
    if member.batching == "support" and language.support() is None:
        raise ConfigError("batching", "support", f"a small support ({language.count} strings)")
    if member.batching == "stratified":
        _ = language.by_length  # raises where the law given the length is not exact
    if member.batching != "auto":
        return member.batching
    if language.count is not None and language.count <= member.batch:
        return "support"
    try:
        _ = language.by_length
    except ConfigError:
        return "iid"
    return "stratified"


def _typed(choices: Mapping[str, Any]) -> dict[str, Any]:
    """Check names and types; whole floats become the ints that a field wants."""
    values = {}
    for name, value in choices.items():
        if name not in _TYPES:
            raise unknown_name("config field", name, _TYPES)
        kind = _TYPES[name]
        if kind is float and type(value) is int:
            value = float(value)
        if kind is int and type(value) is float and value.is_integer():
            value = int(value)
        plain = dict if typing.get_origin(kind) is not None else kind
        if not isinstance(value, plain) or (plain is not bool and isinstance(value, bool)):
            raise ConfigError(name, value, f"a value of type {plain.__name__}")
        values[name] = value
    return values


def _check_numbers(member: Member) -> None:
    for name, value in member.fields.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise ConfigError(name, value, "a finite number")
        for names, low, high, allowed in _LIMITS:
            if name in names and not low <= value < high:
                raise ConfigError(name, value, allowed)
    if member.learning_rate <= 0:
        raise ConfigError("learning_rate", member.learning_rate, "above 0")
    if member.teacher != NO_TEACHER and member.label_noise > 0:
        allowed = f"0 with teacher={member.teacher!r}, whose laws are no labels"
        raise ConfigError("label_noise", member.label_noise, allowed)
