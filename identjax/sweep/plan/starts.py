"""Members that start from the snapshots of another sweep, as they are or changed."""

import dataclasses
import functools
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np
import scipy.special

from identjax.errors import ConfigError, unknown_name
from identjax.keys import Purpose, key_for
from identjax.models.model import Learner, Model, Params
from identjax.models.symmetries import change_params
from identjax.predictor import Predictor
from identjax.query import pairs_of, without
from identjax.stacks import map_members
from identjax.sweep.folder.load import Run
from identjax.training.member import Member, fields_of
from identjax.training.precision import PRECISIONS
from identjax.vocabulary import Tokens

# A changed start must give the logits of its source, up to this.
TOLERANCE = 1e-4
# So many strings of each kind are compared on, and so many members at once.
STRINGS, AT_ONCE = 64, 256
SETTINGS = ("workdir", "rung", "where", "config")
Row = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Drift:
    """What a change did to the function: the largest difference of logits, and the KL from the
    source to the changed member in nats per string, both over the same strings.
    """

    logits: float
    kl_nats: float


class Starts:
    """The snapshots of one sweep at one rung, of which each member takes the one that fits it.

    They are what `start_from` of a config names; how to train it, `config`, is for commands.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        for name in settings:
            if name not in SETTINGS:
                raise unknown_name("start_from field", name, SETTINGS)
        for name in ("workdir", "rung"):
            if not isinstance(settings.get(name), str) or not settings[name]:
                raise ConfigError(f"start_from.{name}", settings.get(name), "a text that names one")
        workdir, rung = settings["workdir"], settings["rung"]
        try:
            self.run = Run(workdir)
        except ConfigError as error:
            raise ConfigError("start_from.workdir", workdir, error.allowed) from error
        self.rung, self.where = rung, dict(settings.get("where") or {})
        if rung not in self.run.rungs():
            allowed = f"one that {workdir} has: {', '.join(self.run.rungs())}"
            raise ConfigError("start_from.rung", rung, allowed)
        columns = ["member_id", "digest"]
        parts = self.run.store.read_parts("snapshots", columns, where={"rung": [rung]})
        self._digest: dict[str, str] = pairs_of(without(parts, digest=""), *columns)
        rows: list[Row] = self.run.members().to_pylist()
        for name, value in self.where.items():
            if rows and name not in rows[0]:
                raise unknown_name("start_from.where field", name, rows[0])
            values = [row[name] for row in rows]
            rows = self._narrow(rows, values, f"start_from.where.{name}", value)
        self._rows = rows

    def attach(self, member: Member) -> Member:
        """Give the member with its start: the snapshot of its architecture, model and init_seed."""
        row = self._find(member)
        source = self.run.member(row["member_id"])
        _check_fit(member, source)
        return dataclasses.replace(
            member,
            start_digest=self._digest[row["member_id"]],
            start_member=row["member_id"],
            start_rung=self.rung,
        )

    def params(self, member: Member) -> Params:
        """Give a member's first parameters, on the host."""
        source, model = self._source(member), member.build_model()
        return change_params(model, source, member.change, member.alpha, member.change_seed)

    def measure(self, members: Sequence[Member]) -> dict[str, Drift]:
        """Compare each start with its source; refuse one that is another function.

        On strings of the language, and on strings of uniform symbols, most of them impossible. The
        members are of one group.
        """
        different = {_origin(member): member for member in members}
        with PRECISIONS[members[0].precision].enabled():
            found = dict(zip(different, self._drifts(list(different.values())), strict=True))
        for origin, member in different.items():
            if not found[origin].logits <= TOLERANCE:
                drift = f"{found[origin].logits:.2g}"
                allowed = f"logits within {TOLERANCE:g}, not {drift}, of the source"
                raise ConfigError("change", f"{member.change} by {member.alpha:g}", allowed)
        return {member.member_id: found[_origin(member)] for member in members}

    def _drifts(self, members: list[Member]) -> Iterator[Drift]:
        model, tokens = members[0].build_model(), _strings(members[0])
        for first in range(0, len(members), AT_ONCE):
            some = members[first : first + AT_ONCE]
            before = _logits(model, [self._source(m) for m in some], tokens)
            after = _logits(model, [self.params(m) for m in some], tokens)
            yield from itertools.starmap(_compare, zip(before, after, strict=True))

    def _source(self, member: Member) -> Params:
        """Give what a member starts from in its own precision, so that a change rounds as it."""
        return PRECISIONS[member.precision].cast(self._params[member.start_member])

    @functools.cached_property
    def _params(self) -> dict[str, Params]:
        """The source's parameters at the rung, by member."""
        found = {}
        for ids, stack in self.run.predictors(self.rung).values():
            assert isinstance(stack, Learner)
            for i, member_id in enumerate(ids):
                found[member_id] = jax.tree.map(lambda leaf, i=i: leaf[i], stack.params)
        if self.run.unusable:
            member_id, rung, cause = self.run.unusable[0]
            allowed = f"whole snapshots (that of member {member_id} at rung {rung}: {cause})"
            raise ConfigError("start_from.workdir", str(self.run.workdir), allowed)
        return found

    def _narrow(self, rows: list[Row], values: list[Any], field: str, wanted: Any) -> list[Row]:
        """Keep the rows that have what is wanted; refuse it where none has."""
        if wanted not in values:
            seen = ", ".join(sorted(set(map(str, values))))
            raise ConfigError(field, wanted, f"one that {self.run.workdir} has: {seen}")
        return [row for row, value in zip(rows, values, strict=True) if value == wanted]

    def _find(self, member: Member) -> Row:
        rows, workdir = self._rows, self.run.workdir
        for name in ("architecture", "model", "init_seed"):
            values = [json.loads(row[name]) if name == "model" else row[name] for row in rows]
            rows = self._narrow(rows, values, name, getattr(member, name))
        reached = [row for row in rows if row["member_id"] in self._digest]
        if not reached:
            allowed = f"one that the member of init_seed {member.init_seed} in {workdir} reached"
            raise ConfigError("start_from.rung", self.rung, allowed)
        if len(reached) > 1:
            fields = [n for n in rows[0] if len({str(row[n]) for row in reached}) > 1]
            fields = [n for n in fields if n not in ("member_id", "group")]
            allowed = f"{fields[0]!r} of one of {len(reached)} members of the same init_seed"
            raise ConfigError("start_from.where", self.where, allowed)
        return reached[0]


def _origin(member: Member) -> tuple[Any, ...]:
    return tuple(getattr(member, name) for name in fields_of("origin"))


def _check_fit(member: Member, source: Member) -> None:
    """Refuse a start for other symbols, or with tables for another length."""
    theirs, mine = (one.truth.vocabulary.symbols for one in (source, member))
    if theirs != mine:
        allowed = f"one with the symbols of {source.language}: {' '.join(theirs)}"
        raise ConfigError("language", member.language, allowed)
    if _shapes_of(member.build_model()) != _shapes_of(source.build_model()):
        allowed = f"{source.max_length} as in the source, of which parameters have the size"
        raise ConfigError("max_length", member.max_length, allowed)


@functools.lru_cache(maxsize=16)
def _shapes_of(model: Model) -> list[tuple[int, ...]]:
    params = jax.eval_shape(model.init, jax.random.key(0))
    return [leaf.shape for leaf in jax.tree.leaves(params)]


def _strings(member: Member) -> Tokens:
    """Give strings of the member's language, and as many rows of uniform symbols."""
    language = member.truth
    drawn = np.asarray(language.sample(key_for(0, Purpose.CHECK), STRINGS), np.int32)
    rows, length = drawn.shape
    uniform = np.random.default_rng(0).integers(0, language.vocabulary.eos, (rows, length))
    uniform[:, 0] = language.vocabulary.bos
    return np.concatenate([drawn, uniform.astype(np.int32)])


def _logits(model: Model, params: list[Params], tokens_NxT: Tokens) -> np.ndarray:
    """Give the logits of some members over symbols and EOS, [M, N, T, S]."""
    stack = model.bind(jax.tree.map(lambda *leaves: np.stack(leaves), *params))
    need = 16.0 * tokens_NxT.size * tokens_NxT.shape[1] * 4
    found: np.ndarray = map_members(_apply, stack, tokens_NxT, member_bytes=need, members=AT_ONCE)
    return found[..., : model.vocabulary.eos + 1].astype(np.float64)


def _apply(stack: Predictor, tokens_NxT: jax.Array) -> jax.Array:
    assert isinstance(stack, Learner)
    return jax.vmap(lambda one: one.model.logits(one.params, tokens_NxT))(stack)


def _compare(before: np.ndarray, after: np.ndarray) -> Drift:
    log_p, log_q = (scipy.special.log_softmax(x, -1) for x in (before, after))
    kl_N = (np.exp(log_p) * (log_p - log_q)).sum((1, 2))
    return Drift(float(np.abs(before - after).max()), float(kl_N.mean()))
