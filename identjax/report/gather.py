"""What a page is drawn from: the tables of one or more results folders, joined to the members."""

import dataclasses
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

import identjax.evaluation.measures  # noqa: F401 (registers tables that every folder has)
from identjax.errors import ConfigError
from identjax.evaluation.cells import CHOICES, name_cells, name_variants
from identjax.evaluation.measure import schemas
from identjax.languages import Language
from identjax.query import distinct, split_by, where
from identjax.schema import TRUTH
from identjax.sweep.folder.ledger import CURVES
from identjax.sweep.folder.load import Run

# What is shown together: members that differ by their seeds alone.
CELL = ("language", *CHOICES, "variant")
SEEDS = ("init_seed", "data_seed", "noise_seed")
# What a row about a member carries of that member.
CARRIED = (*CELL, "cell", "role", "status")


@dataclasses.dataclass(frozen=True, eq=False)
class Source:
    """One results folder as the page needs it; every known table is there, if only with no rows.

    `prefix` begins the names of its figures: nothing where the folder is alone. In members, `cell`
    names what a member shares with those that differ by their seeds alone, and `variant` is what of
    it no choice says.
    """

    name: str
    prefix: tuple[str, ...]
    run: Run
    tables: Mapping[str, pa.Table]
    times: list[dict[str, Any]]

    @property
    def languages(self) -> list[str]:
        """The languages of the members, in alphabetical order."""
        return distinct(self.tables["members"], "language")

    @property
    def cells(self) -> list[str]:
        """The cells of the members, in alphabetical order."""
        return distinct(self.tables["members"], "cell")

    def truth(self, language: str) -> Language | None:
        """Give the language of a label; None for one that is not registered here."""
        group = where(self.tables["members"], language=language)["group"][0].as_py()
        try:
            return self.run.language(group)
        except ConfigError:
            return None


def gather(workdirs: Sequence[str | pathlib.Path]) -> list[Source]:
    """Read every folder; refuse one in which nothing has been evaluated."""
    if not workdirs:
        raise ConfigError("workdir", "", "one or more results folders")
    paths = [pathlib.Path(workdir) for workdir in workdirs]
    last = [path.resolve().name for path in paths]
    # The last part of a folder names it, or the whole path where that is not enough.
    names = [n if last.count(n) == 1 else str(path) for path, n in zip(paths, last, strict=True)]
    prefixes = [(name,) if len(names) > 1 else () for name in names]
    return list(map(_read, workdirs, names, prefixes))


def _read(workdir: str | pathlib.Path, name: str, prefix: tuple[str, ...]) -> Source:
    run = Run(str(workdir))
    members = run.members()
    if members is None:
        raise ConfigError("workdir", str(workdir), "a folder that launch.sweep has written")
    members = members.sort_by("member_id")
    rows = members.to_pylist()
    for column, values in (("cell", name_cells(rows)), ("variant", name_variants(rows))):
        members = members.append_column(column, pa.array(values, pa.string()))
    labels = _name_languages(members)
    members = _relabel(members, labels)
    tables = {"members": members}
    found = {"curves": run.curves()} | {kind: run.evals(kind) for kind in schemas()}
    for kind, schema in ({"curves": CURVES} | schemas()).items():
        table = _shape(found[kind], schema, kind, workdir)
        if "member_a" in schema.names:
            tables[kind] = _label_pairs(table, members)
        elif "member_id" in schema.names:
            tables[kind] = _join(table, members)
        else:
            tables[kind] = _relabel(table, labels) if set(TRUTH) <= set(schema.names) else table
    if not tables["rules"].num_rows and not tables["likelihood"].num_rows:
        hint = "a folder with evaluations: run python -m launch.evaluate on it first"
        raise ConfigError("workdir", str(workdir), hint)
    return Source(name, prefix, run, tables, _read_times(run.workdir))


def _read_times(workdir: pathlib.Path) -> list[dict[str, Any]]:
    """Give what each group took: its seconds and member-steps."""
    path = pathlib.Path(workdir) / "events.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    events = [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]
    return [event for event in events if event.get("event") == "group_done"]


def _shape(table: pa.Table | None, schema: pa.Schema, what: str, workdir: Any) -> pa.Table:
    """Bring a table to its declared columns and types, its rows in the order of their keys."""
    if table is None:
        return schema.empty_table()
    if missing := sorted(set(schema.names) - set(table.column_names)):
        raise ConfigError("workdir", str(workdir), f"{what} with a column {missing[0]!r}")
    shaped = table.select(schema.names).cast(schema)
    if "member_a" in schema.names:
        return shaped
    keys = [field.name for field in schema if field.type in (pa.string(), pa.int64())]
    return shaped.sort_by([(name, "ascending") for name in keys])


def _name_languages(members: pa.Table) -> dict[tuple[Any, ...], str]:
    """Tell apart languages of one name: with their length and options, where there are several."""
    kinds = sorted({key for key, _ in split_by(members, *TRUTH)})
    names = [name for name, _, _ in kinds]
    return {
        kind: kind[0]
        if names.count(kind[0]) == 1
        else f"{kind[0]} (length {kind[1]}{'' if kind[2] == '{}' else f', {kind[2]}'})"
        for kind in kinds
    }


def _relabel(table: pa.Table, labels: dict[tuple[Any, ...], str]) -> pa.Table:
    keys = zip(*(table[name].to_pylist() for name in TRUTH), strict=True)
    found = pa.array([labels.get(key, key[0]) for key in keys], pa.string())
    return _put(table, "language", found)


def _label_pairs(pairs: pa.Table, members: pa.Table) -> pa.Table:
    """Keep the pairs of members of this sweep, under the label of their language."""
    ids = members["member_id"].combine_chunks()
    sides = [pc.index_in(pairs[side], value_set=ids) for side in ("member_a", "member_b")]
    both = pc.and_(*(pc.is_valid(side) for side in sides))
    found = members["language"].take(sides[0].filter(both))
    return _put(pairs.filter(both), "language", found)


def _join(table: pa.Table, members: pa.Table) -> pa.Table:
    """Put what a member is beside each row about it; rows about no member of the sweep go."""
    place = pc.index_in(table["member_id"], value_set=members["member_id"].combine_chunks())
    known = pc.is_valid(place)
    table, place = table.filter(known), place.filter(known)
    for name in CARRIED:
        table = _put(table, name, members[name].take(place))
    return table


def _put(table: pa.Table, name: str, column: pa.ChunkedArray) -> pa.Table:
    if name not in table.column_names:
        return table.append_column(name, column)
    return table.set_column(table.column_names.index(name), name, column)
