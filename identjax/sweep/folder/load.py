"""A results folder opened again: its tables, and its snapshots as stacked Predictors."""

import functools
from typing import Any

import jax
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from identjax import languages, models
from identjax.errors import ConfigError, unknown_name
from identjax.languages.language import Language
from identjax.models.model import Model
from identjax.predictor import Predictor
from identjax.store import Store
from identjax.sweep.folder.ledger import SCHEMA, member_of, unpack_params
from identjax.training.member import Member


class Run:
    """One results folder, read only."""

    def __init__(self, workdir: str) -> None:
        """Open the folder; tables and snapshots are read when asked for."""
        self.store = Store(workdir)
        self.workdir = self.store.workdir
        found = self.store.read_sweep()
        if found is None:
            raise ConfigError("workdir", str(workdir), "a folder in which a sweep was started")
        self.sweep: dict[str, Any] = found
        self.unusable: list[tuple[str, str, str]] = []

    def members(self) -> pa.Table:
        """Give members.parquet."""
        return self.store.read_members()

    def curves(self) -> pa.Table | None:
        """Give the training curves: member_id, step, metric, value."""
        return self.store.read_parts("curves")

    def evals(self, name: str) -> pa.Table | None:
        """Give an evaluation table, or None where it was not made yet."""
        return self.store.read_eval(name)

    def snapshots(self) -> pa.Table:
        """List the snapshots that have parameters, without these; others were pruned."""
        columns = ["member_id", "group", "rung", "step", "kl_nats", "kl_stderr"]
        table = self._read_snapshots([*columns, "digest"])
        table = table if table is not None else SCHEMA.empty_table()
        return table.filter(pc.not_equal(table["digest"], "")).select(columns)

    def rungs(self) -> list[str]:
        """List the rungs that some member has, the widest first, then steps, then "final"."""
        found = set(self.snapshots().column("rung").to_pylist())
        steps = sorted((r for r in found if r.startswith("@")), key=lambda r: int(r[1:]))
        epsilons = sorted(found - {*steps, "final"}, key=float, reverse=True)
        return [*epsilons, *steps, *(["final"] if "final" in found else [])]

    def member(self, member_id: str) -> Member:
        """Give the configuration of one member."""
        if member_id not in self._by_id:
            raise unknown_name("member_id", member_id, self._by_id)
        return member_of(self._by_id[member_id])

    def language(self, group: str) -> Language:
        """Give the truth that a group was trained on."""
        member = self._member_in(group)
        return languages.make(member.language, member.max_length, **member.language_options)

    def model(self, group: str) -> Model:
        """Give the model that the members of a group are."""
        member = self._member_in(group)
        return models.make(
            member.architecture,
            vocabulary=self.language(group).vocabulary,
            max_length=member.max_length,
            preset=member.preset,
            **member.model,
        )

    def predictors(
        self, rung: str = "final", members: list[str] | None = None
    ) -> dict[str, tuple[list[str], Predictor]]:
        """Give the members at a rung as one stacked Predictor per group, with their ids.

        A snapshot whose digest does not hold is left out, and named in `unusable`; so is a file
        of snapshots that cannot be read.
        """
        columns = ["member_id", "group", "rung", "digest", "params"]
        wanted = {"rung": [rung]} | ({} if members is None else {"member_id": members})
        table = self._read_snapshots(columns, wanted)
        if table is None:
            return {}
        table = table.filter(pc.not_equal(table["digest"], ""))
        stacks: dict[str, tuple[list[str], Predictor]] = {}
        for group in sorted(set(table.column("group").to_pylist())):
            rows = table.filter(pc.equal(table["group"], group)).sort_by("member_id").to_pylist()
            model = self.model(group)
            found = self._load(model, rows)
            if found:
                stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *found.values())
                stacks[group] = (list(found), model.bind(stacked))
        return stacks

    def predictor(self, member_id: str, rung: str = "final") -> Predictor:
        """Give one member at one rung as a Predictor."""
        self.member(member_id)
        found = self.predictors(rung, [member_id])
        if not found:
            raise ConfigError("rung", rung, f"one that member {member_id} has")
        ((_, stack),) = found.values()
        one: Predictor = jax.tree.map(lambda leaf: leaf[0], stack)
        return one

    def _read_snapshots(
        self, columns: list[str], where: dict[str, list[str]] | None = None
    ) -> pa.Table | None:
        broken: dict[str, str] = {}
        table = self.store.read_parts("snapshots", columns, where=where, broken=broken)
        self.unusable += [("?", "?", f"{name}: {reason}") for name, reason in broken.items()]
        return table

    def _load(self, model: Model, rows: list[dict[str, Any]]) -> dict[str, Any]:
        like = jax.eval_shape(model.init, jax.random.key(0))
        found = {}
        for row in rows:
            try:
                found[row["member_id"]] = unpack_params(row["params"], row["digest"], like)
            except ValueError as error:
                self.unusable.append((row["member_id"], row["rung"], str(error)))
        return found

    def _member_in(self, group: str) -> Member:
        for row in self._by_id.values():
            if row["group"] == group:
                return member_of(row)
        raise unknown_name("group", group, {row["group"] for row in self._by_id.values()})

    @functools.cached_property
    def _by_id(self) -> dict[str, dict[str, Any]]:
        return {row["member_id"]: row for row in self.members().to_pylist()}


def open_run(workdir: str) -> Run:
    """Open a results folder: `identjax.open`."""
    return Run(workdir)
