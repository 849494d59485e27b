"""A results folder whose snapshots are planted members, and a Run that gives them."""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from identjax.evaluation.measure import AtPairs
from identjax.evaluation.results import Stacks, Truth
from identjax.predictor import Predictor
from identjax.store import Store
from identjax.sweep.folder.ledger import Standing
from identjax.sweep.folder.members_table import member_row
from identjax.training.member import Member
from tests.planted import LANG, off_law, plant

EOS, SAY_A, SAY_B = (off_law(LANG, **{name: 1.0}) for name in ("eos", "a", "b"))
SPLIT = off_law(LANG, a=0.25, b=0.25, eos=0.5)
LAWS = {"m0": EOS, "m1": EOS, "m2": SPLIT, "m3": SPLIT}


class PlantedRun:
    """What `identjax.open` gives, for planted members that have every rung alike."""

    def __init__(
        self,
        workdir: pathlib.Path,
        laws: Mapping[str, np.ndarray] = LAWS,
        rungs: Sequence[str] = ("0.1", "final"),
        tilts: Mapping[str, float] | None = None,
    ) -> None:
        self.store, self.workdir = Store(workdir), workdir
        self.laws, self.tilts, self._rungs = dict(laws), dict(tilts or {}), list(rungs)
        self.unusable: list[tuple[str, str, str]] = []
        self.broken: set[str] = set()
        self.status = dict.fromkeys(laws, "done")
        self.roles = dict.fromkeys(laws, "report")
        self.objectives = dict.fromkeys(laws, "mle")
        self.sweep: dict[str, Any] = {"settings": {"measures": []}}
        self.like = member_row(Member(max_length=LANG.max_length), Standing("done", 10))
        self.loads = 0

    def members(self) -> pa.Table:
        rows = [
            self.like
            | {
                "member_id": member,
                "group": self.group_of(member),
                "architecture": self.group_of(member),
                "objective": self.objectives[member],
                "init_seed": row,
                "role": self.roles[member],
                "status": self.status[member],
            }
            for row, member in enumerate(self.laws)
        ]
        return pa.Table.from_pylist(rows)

    def curves(self) -> None:
        return None

    def group_of(self, member: str) -> str:
        return "even" if int(member[1:]) % 2 == 0 else "odd"

    def snapshots(self) -> pa.Table:
        rows = [
            {"member_id": m, "group": self.group_of(m), "rung": rung, "step": 10 * k}
            for k, rung in enumerate(self._rungs)
            for m in self.laws
        ]
        fields = ["member_id", "group", "rung", "step"]
        return pa.Table.from_pylist(rows) if rows else pa.table({name: [] for name in fields})

    def rungs(self) -> list[str]:
        return self._rungs

    def evals(self, name: str) -> pa.Table | None:
        return self.store.read_eval(name)

    def predictors(
        self, rung: str = "final", members: list[str] | None = None
    ) -> dict[str, tuple[list[str], Predictor]]:
        self.loads += 1
        asked = sorted(members if members is not None else self.laws)
        self.unusable += [(m, rung, "digest") for m in asked if m in self.broken]
        found: dict[str, tuple[list[str], Predictor]] = {}
        for group in ("even", "odd"):
            ids = [m for m in asked if self.group_of(m) == group and m not in self.broken]
            if ids:
                tilts = [self.tilts.get(m, 0.0) for m in ids]
                found[group] = ids, plant([self.laws[m] for m in ids], tilts)
        return found


def rows(run: Any, name: str, **values: Any) -> list[dict[str, Any]]:
    """Give the rows of a table in which these columns have these values."""
    table = run.evals(name)
    found: list[dict[str, Any]] = table.to_pylist()
    return [row for row in found if all(row[k] == v for k, v in values.items())]


def pairs_at(stacks: Stacks) -> AtPairs:
    """Give members to be compared, with nothing known of them."""
    truth = Truth("L3", LANG.max_length, "{}", (), ())
    return AtPairs(
        truth,
        {},
        "final",
        stacks,
        {group: len(ids) for group, (ids, _) in stacks.items()},
        [],
        lambda name: None,
    )
