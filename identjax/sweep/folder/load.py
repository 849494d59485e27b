"""A results folder opened again: its tables, and its snapshots as stacked Predictors."""

import functools
from typing import Any

import jax
import numpy as np
import pyarrow as pa

from identjax.errors import ConfigError, unknown_name
from identjax.languages.language import Language
from identjax.models.model import Model
from identjax.predictor import Predictor
from identjax.query import distinct, where, without
from identjax.rungs import FINAL, order
from identjax.store import Store
from identjax.sweep.folder.ledger import SCHEMA, unpack_params
from identjax.sweep.folder.members_table import member_of, read_members
from identjax.training.member import Member


class Run:
    """A results folder, read only: `identjax.open(workdir)`."""

    def __init__(self, workdir: str) -> None:
        self.store = Store(workdir)
        self.workdir = self.store.workdir
        found = self.store.read_sweep()
        if found is None:
            raise ConfigError("workdir", str(workdir), "a folder in which a sweep was started")
        self.sweep: dict[str, Any] = found
        self.unusable: list[tuple[str, str, str]] = []

    def members(self) -> pa.Table:
        """Give members.parquet, with every column of this version."""
        return read_members(self.store)

    def curves(self) -> pa.Table | None:
        """Give the training curves: member_id, step, metric, value."""
        return self.store.read_parts("curves")

    def evals(self, name: str) -> pa.Table | None:
        """Give an evaluation table, or None where it was not made yet."""
        return self.store.read_eval(name)

    def snapshots(self) -> pa.Table:
        """List the snapshots that have parameters, without these; others were pruned."""
        columns = ["member_id", "group", "rung", "step", "kl_nats", "kl_stderr"]
        return self._read_snapshots([*columns, "digest"]).select(columns)

    def rungs(self) -> list[str]:
        """List the rungs that some member has, in order."""
        return sorted(set(self.snapshots()["rung"].to_pylist()), key=order)

    def member(self, member_id: str) -> Member:
        """Give the configuration of one member."""
        if member_id not in self._by_id:
            raise unknown_name("member_id", member_id, self._by_id)
        return member_of(self._by_id[member_id])

    def language(self, group: str) -> Language:
        """Give the truth that a group was trained on."""
        return self._member_in(group).truth

    def model(self, group: str) -> Model:
        """Give the model that the members of a group are."""
        return self._member_in(group).build_model()

    def predictors(
        self, rung: str = FINAL, members: list[str] | None = None
    ) -> dict[str, tuple[list[str], Predictor]]:
        """Give the members at a rung as one stacked Predictor per group, with their ids.

        A snapshot whose digest does not hold is left out, and named in `unusable`; so is a file
        of snapshots that cannot be read.
        """
        columns = ["member_id", "group", "rung", "digest", "params"]
        wanted = {"rung": [rung]} | ({} if members is None else {"member_id": members})
        table = self._read_snapshots(columns, wanted)
        stacks: dict[str, tuple[list[str], Predictor]] = {}
        for group in distinct(table, "group"):
            model = self.model(group)
            rows = where(table, group=group).sort_by("member_id").to_pylist()
            if found := self._load(model, rows):
                stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *found.values())
                stacks[group] = (list(found), model.bind(stacked))
        return stacks

    def predictor(self, member_id: str, rung: str = FINAL) -> Predictor:
        """Give one member at one rung as a Predictor."""
        self.member(member_id)
        found = self.predictors(rung, [member_id])
        if not found:
            raise ConfigError("rung", rung, f"one that member {member_id} has")
        ((_, stack),) = found.values()
        return jax.tree.map(lambda leaf: leaf[0], stack)

    def _read_snapshots(
        self, columns: list[str], wanted: dict[str, list[str]] | None = None
    ) -> pa.Table:
        """Read those that have parameters."""
        broken: dict[str, str] = {}
        table = self.store.read_parts("snapshots", columns, where=wanted, broken=broken)
        self.unusable += [("?", "?", f"{name}: {reason}") for name, reason in broken.items()]
        return without(SCHEMA.empty_table() if table is None else table, digest="")

    def _load(self, model: Model, rows: list[dict[str, Any]]) -> dict[str, Any]:
        # Snapshots are float32, also where this is called in the scope of another precision.
        like = jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct(leaf.shape, np.float32),
            jax.eval_shape(model.init, jax.random.key(0)),
        )
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
