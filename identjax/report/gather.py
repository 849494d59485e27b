"""What a page is drawn from: the tables of one or more results folders, joined to the members."""

import dataclasses
import json
import pathlib
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from identjax.errors import ConfigError
from identjax.evaluation.cells import CHOICES, name_cells
from identjax.evaluation.eval_tables import SCHEMAS
from identjax.query import distinct, split_by
from identjax.sweep.folder.load import Run, open_run

_TEXT, _REAL, _WHOLE = pa.string(), pa.float64(), pa.int64()
_EVALS = {
    name: dict(zip(SCHEMAS[name].names, SCHEMAS[name].types, strict=True))
    for name in (
        "likelihood",
        "rules",
        "completions",
        "pairwise",
        "baselines",
        "sets",
        "dynamics",
        "in_context",
        "in_context_observers",
        "in_context_swaps",
    )
}
_CURVES = {"member_id": _TEXT, "step": _WHOLE, "metric": _TEXT, "value": _REAL}
_MEMBERS = {
    "member_id": _TEXT,
    "group": _TEXT,
    "language": _TEXT,
    "architecture": _TEXT,
    "objective": _TEXT,
    "optimizer": _TEXT,
    "init_seed": _WHOLE,
    "data_seed": _WHOLE,
    "noise_seed": _WHOLE,
    "role": _TEXT,
    "status": _TEXT,
    "steps": _WHOLE,
    "max_length": _WHOLE,
    "language_options": _TEXT,
}
_LANGUAGE = ("language", "max_length", "language_options")
# What a row about a member carries of that member.
CARRIED = ("language", *CHOICES, "cell", "role", "status")


@dataclasses.dataclass(frozen=True)
class Source:
    """One results folder as the page needs it; every table is there, if only with no rows.

    `prefix` begins the names of its figures: nothing where the folder is alone. In members, `cell`
    is what the choices that vary are for a member.
    """

    name: str
    prefix: tuple[str, ...]
    run: Run
    members: pa.Table
    likelihood: pa.Table
    rules: pa.Table
    completions: pa.Table
    pairwise: pa.Table
    baselines: pa.Table
    sets: pa.Table
    dynamics: pa.Table
    in_context: pa.Table
    in_context_observers: pa.Table
    in_context_swaps: pa.Table
    curves: pa.Table
    times: list[dict[str, Any]]

    @property
    def languages(self) -> list[str]:
        """The languages of the members, in alphabetical order."""
        return distinct(self.members, "language")

    @property
    def cells(self) -> list[str]:
        """The cells of the members, in alphabetical order."""
        return distinct(self.members, "cell")


def gather(workdirs: Sequence[str | pathlib.Path]) -> list[Source]:
    """Read every folder; refuse one in which nothing has been evaluated."""
    if not workdirs:
        raise ConfigError("workdir", "", "one or more results folders")
    names = _tell_apart([pathlib.Path(path) for path in workdirs])
    alone = len(names) == 1
    return [
        _read(path, name, () if alone else (name,))
        for path, name in zip(workdirs, names, strict=True)
    ]


def _read(workdir: str | pathlib.Path, name: str, prefix: tuple[str, ...]) -> Source:
    run = open_run(str(workdir))
    members = run.members()
    if members is None:
        raise ConfigError("workdir", str(workdir), "a folder that launch.sweep has written")
    members = _with_cell(_shape(members, _MEMBERS, "members.parquet", workdir))
    labels = _name_languages(members)
    members = _relabel(members, labels)
    evals = {}
    for kind, schema in _EVALS.items():
        found = run.evals(kind)
        evals[kind] = _shape(found, schema, f"evals/{kind}.parquet", workdir)
    if not evals["rules"].num_rows and not evals["likelihood"].num_rows:
        hint = "a folder with evaluations: run python -m launch.evaluate on it first"
        raise ConfigError("workdir", str(workdir), hint)
    for kind in ("likelihood", "rules", "completions", "dynamics", "in_context"):
        evals[kind] = _join(evals[kind], members)
    for kind in ("baselines", "sets", "in_context_observers", "in_context_swaps"):
        evals[kind] = _relabel(evals[kind], labels)
    evals["pairwise"] = _label_pairs(evals["pairwise"], members)
    curves = _join(_shape(run.curves(), _CURVES, "curves", workdir), members)
    return Source(
        name=name,
        prefix=prefix,
        run=run,
        members=members,
        **evals,
        curves=curves,
        times=_read_times(run.workdir),
    )


def _read_times(workdir: pathlib.Path) -> list[dict[str, Any]]:
    """Give what each group took: its seconds and member-steps."""
    path = pathlib.Path(workdir) / "events.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    events = [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]
    return [event for event in events if event.get("event") == "group_done"]


def _shape(
    table: pa.Table | None, schema: dict[str, pa.DataType], what: str, workdir: Any
) -> pa.Table:
    """Bring a table to the pinned columns and types, its rows in the order of their keys."""
    if table is None:
        return pa.schema(list(schema.items())).empty_table()
    if missing := sorted(set(schema) - set(table.column_names)):
        raise ConfigError("workdir", str(workdir), f"{what} with a column {missing[0]!r}")
    extra = [name for name in table.column_names if name not in schema]
    columns = {name: table[name].cast(kind) for name, kind in schema.items()}
    if what == "members.parquet":
        columns |= {name: table[name] for name in extra}
    shaped = pa.table(columns)
    if "member_a" in schema:
        return shaped
    return shaped.sort_by([(n, "ascending") for n, k in schema.items() if k in (_TEXT, _WHOLE)])


def _with_cell(members: pa.Table) -> pa.Table:
    cells = name_cells(members.select(CHOICES).to_pylist())
    return members.append_column("cell", pa.array(cells, _TEXT))


def _name_languages(members: pa.Table) -> dict[tuple[Any, ...], str]:
    """Tell apart languages of one name: with their length and options, where there are several."""
    kinds = sorted({key for key, _ in split_by(members, *_LANGUAGE)})
    names = [name for name, _, _ in kinds]
    return {
        kind: kind[0]
        if names.count(kind[0]) == 1
        else f"{kind[0]} (length {kind[1]}{'' if kind[2] == '{}' else f', {kind[2]}'})"
        for kind in kinds
    }


def _relabel(table: pa.Table, labels: dict[tuple[Any, ...], str]) -> pa.Table:
    keys = zip(*(table[name].to_pylist() for name in _LANGUAGE), strict=True)
    found = pa.array([labels.get(key, key[0]) for key in keys], _TEXT)
    return table.set_column(table.column_names.index("language"), "language", found)


def _label_pairs(pairs: pa.Table, members: pa.Table) -> pa.Table:
    """Keep the pairs of members of this sweep, under the label of their language."""
    ids = members["member_id"].combine_chunks()
    sides = [pc.index_in(pairs[side], value_set=ids) for side in ("member_a", "member_b")]
    both = pc.and_(*(pc.is_valid(side) for side in sides))
    found = members["language"].take(sides[0].filter(both))
    return pairs.filter(both).set_column(pairs.column_names.index("language"), "language", found)


def _join(table: pa.Table, members: pa.Table) -> pa.Table:
    """Put what a member is beside each row about it; rows about no member of the sweep go."""
    place = pc.index_in(table["member_id"], value_set=members["member_id"].combine_chunks())
    known = pc.is_valid(place)
    table, place = table.filter(known), place.filter(known)
    for name in CARRIED:
        table = table.append_column(name, members[name].take(place))
    return table


def _tell_apart(paths: Sequence[pathlib.Path]) -> list[str]:
    """Name folders by their last part, or by the whole path where that is not enough."""
    names = [path.resolve().name for path in paths]
    return [
        name if names.count(name) == 1 else str(path)
        for path, name in zip(paths, names, strict=True)
    ]
