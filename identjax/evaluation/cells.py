"""Cells: the members that share every choice by which a sweep is told apart."""

from collections.abc import Mapping, Sequence
from typing import Any

# The choices that tell members apart by name, in the order in which a cell says them.
CHOICES = ("architecture", "objective", "optimizer")


def name_cells(members: Sequence[Mapping[str, Any]]) -> list[str]:
    """Name each member's cell by the choices that vary, or by the first where none does.

    >>> rows = [{"architecture": "lstm", "objective": o} for o in ("mle", "oracle")]
    >>> name_cells(rows), name_cells(rows[:1])
    (['mle', 'oracle'], ['lstm'])
    """
    values = {name: [row.get(name) for row in members] for name in CHOICES}
    told = [name for name in CHOICES if len(set(values[name])) > 1] or [CHOICES[0]]
    return [" / ".join(str(values[name][row]) for name in told) for row in range(len(members))]
