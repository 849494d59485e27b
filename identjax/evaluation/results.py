"""What can be evaluated: a results folder, or anything else that gives members and snapshots."""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import pyarrow as pa

from identjax.predictor import Predictor
from identjax.store import Store

Stacks = Mapping[str, tuple[Sequence[str], Predictor]]


class Results(Protocol):
    """Members, their snapshots by rung, and the folder in which evaluations are kept."""

    store: Store
    workdir: pathlib.Path
    sweep: dict[str, Any]
    unusable: list[tuple[str, str, str]]

    def members(self) -> pa.Table:
        """Give a row for each member, with every field of its configuration."""

    def curves(self) -> pa.Table | None:
        """Give the training curves."""

    def snapshots(self) -> pa.Table:
        """List the snapshots: member_id, group, rung, step."""

    def rungs(self) -> list[str]:
        """List the rungs that some member has."""

    def predictors(self, rung: str = ..., members: list[str] | None = ...) -> Any:
        """Give members at a rung as one stacked Predictor per group, with their ids."""


def list_members(stacks: Stacks) -> list[str]:
    """List the members of all groups, by id."""
    return sorted(member for members, _ in stacks.values() for member in members)
