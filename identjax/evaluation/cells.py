"""Cells: the members that share every choice by which a sweep is told apart."""

from collections.abc import Mapping, Sequence
from typing import Any

from identjax.training.member import KINDS

# The choices that tell members apart by name, in the order in which a cell says them.
CHOICES = ("architecture", "objective", "optimizer")
# What members of one cell may differ in: seeds, tags, and which snapshot they start from.
_SEEDS_AND_TAGS = {name for name, kind in KINDS.items() if name.endswith("_seed") or kind == "tag"}
_FREE = {"start_digest", *_SEEDS_AND_TAGS}


def name_cells(members: Sequence[Mapping[str, Any]]) -> list[str]:
    """Name each member's cell by the choices that vary, or by the first where none does.

    >>> rows = [{"architecture": "lstm", "objective": o, "optimizer": "sgd"} for o in "ab"]
    >>> name_cells(rows), name_cells(rows[:1])
    (['a', 'b'], ['lstm'])
    """
    values = {name: [row[name] for row in members] for name in CHOICES}
    told = [name for name in CHOICES if len(set(values[name])) > 1] or [CHOICES[0]]
    return [" / ".join(str(values[name][row]) for name in told) for row in range(len(members))]


def cell_of(member: Mapping[str, Any]) -> tuple[str, ...]:
    """Give all that the members of a cell share; they differ by their seeds alone."""
    return tuple(str(member[name]) for name in sorted(KINDS) if name not in _FREE)
