"""Cells: the members that share every choice by which a sweep is told apart."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from identjax.schema import TRUTH
from identjax.training.member import KINDS

Row = Mapping[str, Any]
# The choices that tell members apart by name, in the order in which a cell says them.
CHOICES = ("architecture", "objective", "optimizer")
# What members of one cell may differ in: seeds, tags, and which snapshot they start from.
_SEEDS_AND_TAGS = {name for name, kind in KINDS.items() if name.endswith("_seed") or kind == "tag"}
_FREE = {"start_digest", *_SEEDS_AND_TAGS}
# What says how members of equal choices differ; where they start from is for a study to say.
_VARIANTS = [
    name
    for name, kind in KINDS.items()
    if kind != "origin" and name not in {*CHOICES, *TRUTH, *_FREE, "preset", "model"}
]


def name_cells(members: Sequence[Row]) -> list[str]:
    """Name each member's cell by the choices that vary, or by the first where none does.

    Where members of equal choices differ otherwise, as by size, the name says how.

    >>> rows = [{"architecture": "lstm", "objective": o, "optimizer": "sgd"} for o in "ab"]
    >>> name_cells(rows), name_cells(rows[:1])
    (['a', 'b'], ['lstm'])
    >>> name_cells([rows[0] | {"model": {"hidden": size, "layers": 1}} for size in (16, 64)])
    ['lstm / hidden 16', 'lstm / hidden 64']
    """
    told = [name for name in CHOICES if len({row[name] for row in members}) > 1] or [CHOICES[0]]
    names = [" / ".join(str(row[name]) for name in told) for row in members]
    variants = name_variants(members)
    return [" / ".join(filter(None, parts)) for parts in zip(names, variants, strict=True)]


def name_variants(members: Sequence[Row]) -> list[str]:
    """Say how members of equal choices differ in their model or in a number that was swept.

    In as few fields as tell them apart; nothing where they differ by their seeds alone.
    """
    alike: dict[tuple[Any, ...], list[int]] = {}
    for place, row in enumerate(members):
        alike.setdefault(tuple(row.get(name) for name in (*TRUTH, *CHOICES)), []).append(place)
    found = [""] * len(members)
    for places in alike.values():
        for place, variant in zip(places, _tell([members[p] for p in places]), strict=True):
            found[place] = variant
    return found


def cell_of(member: Row) -> tuple[str, ...]:
    """Give all that the members of a cell share; they differ by their seeds alone."""
    return tuple(str(_field(member, name)) for name in sorted(KINDS) if name not in _FREE)


def _tell(members: Sequence[Row]) -> list[str]:
    """Tell members of equal choices apart; a field that says nothing new is left out."""
    fields = [_fields_of(row) for row in members]
    names = list(dict.fromkeys(name for own in fields for name in own))
    everything = _count(fields, names)
    told: list[str] = []
    for name in names:
        if _count(fields, told) == everything:
            break
        if _count(fields, [*told, name]) > _count(fields, told):
            told.append(name)
    return [", ".join(f"{name} {_write(own.get(name))}" for name in told) for own in fields]


def _fields_of(row: Row) -> dict[str, Any]:
    """Give the options of the model, then the other fields of a member."""
    model = row.get("model") or {}
    options = json.loads(model) if isinstance(model, str) else model
    return {**options, **{name: _field(row, name) for name in _VARIANTS if name in row}}


def _field(row: Row, name: str) -> Any:
    """Give a field; the steps of a row of members.parquet are those taken, of those allowed."""
    return row.get("budget", row[name]) if name == "steps" else row[name]


def _count(fields: Iterable[Mapping[str, Any]], names: Sequence[str]) -> int:
    return len({tuple(str(own.get(name)) for name in names) for own in fields})


def _write(value: Any) -> str:
    return format(value, "g") if isinstance(value, float) else str(value)
