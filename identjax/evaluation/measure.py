"""Measures: what is computed of members, under registered names, with the tables that it fills.

A measure is a function from a place (a truth, members at a rung, pairs of them, or a whole sweep)
to rows. `identjax.evaluation.evaluate` goes through MEASURES, calls each where rows are lacking,
and keeps what it gives under its own columns; a measure knows nothing of files.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from identjax.evaluation.likelihood import laws_after
from identjax.evaluation.prompting import Decoding
from identjax.evaluation.results import Results, Stacks, Truth
from identjax.languages import Language
from identjax.predictor import Predictor
from identjax.query import where
from identjax.registry import Registry
from identjax.schema import schema_of
from identjax.vocabulary import Tokens

# Columns by name; one value for all rows may stand for a column. Rows may come in several parts.
Rows = Mapping[str, Any]
Found = Mapping[str, Rows | Sequence[Rows] | pa.Table]
Function = Callable[..., Found]
NEEDS = ("language", "snapshots", "pairs", "sweep")
RUNGS = ("all", "compared")
CURVES = schema_of(member_id=str, step=int, metric=str, value=float)


@dataclasses.dataclass(frozen=True)
class AtTruth:
    """A truth, with the prompts of the splits that lack rows."""

    truth: Truth
    prompts: Mapping[str, Tokens]

    @property
    def language(self) -> Language:
        """The truth itself."""
        return self.truth.language


@dataclasses.dataclass(frozen=True)
class AtRung(AtTruth):
    """Members of one group at a rung: a stack, with their ids and the steps that they had taken.

    `group_size` is how many members the group has in all, so that few widths are compiled.
    """

    rung: str
    ids: Sequence[str]
    stack: Predictor
    steps: Sequence[int]
    group_size: int
    decoding: Decoding


@dataclasses.dataclass(frozen=True)
class AtPairs(AtTruth):
    """Members of a truth at a rung, to be compared: stacks by group, and what stands of them.

    `members` are their rows of members.parquet, by id; `table` gives their rows of a table at this
    rung. `group_sizes` is how many members each group has in all, so that few widths are compiled.
    """

    rung: str
    stacks: Stacks
    group_sizes: Mapping[str, int]
    members: Sequence[Mapping[str, Any]]
    table: Callable[[str], pa.Table]

    @functools.cached_property
    def ids(self) -> list[str]:
        """The members of all groups, in the order of the laws."""
        return sorted(member for members, _ in self.stacks.values() for member in members)

    @functools.cached_property
    def laws(self) -> dict[str, np.ndarray]:
        """Log p of the next token after the prompts of each split, [M, N, V], by member id."""
        splits = list(self.prompts)
        together = np.concatenate([self.prompts[split] for split in splits])
        ends = np.cumsum([len(self.prompts[split]) for split in splits])[:-1]
        return dict(zip(splits, np.split(self.ask(laws_after, together), ends, 1), strict=True))

    def ask(self, laws: Callable[..., np.ndarray], tokens_NxT: Tokens) -> np.ndarray:
        """Ask the members of every group for their laws of some tokens, [M, …], by member id."""
        return self.in_order(
            {
                group: laws(stack, tokens_NxT, self.group_sizes[group])
                for group, (_, stack) in self.stacks.items()
            }
        )

    def in_order(self, by_group: Mapping[str, np.ndarray]) -> np.ndarray:
        """Put the arrays of all groups together, [M, …], by member id."""
        found = [member for members, _ in self.stacks.values() for member in members]
        together = np.concatenate([by_group[group] for group in self.stacks])
        return together[np.argsort(found)]


@dataclasses.dataclass(frozen=True)
class AtSweep(AtTruth):
    """All members of a truth once everything else was measured.

    `members` are their rows of members.parquet; `table` gives their rows of a table, and `curves`
    their training curves: member_id, step, metric, value.
    """

    run: Results
    members: Sequence[Mapping[str, Any]]
    table: Callable[[str], pa.Table]

    @functools.cached_property
    def curves(self) -> pa.Table:
        """The training curves of these members."""
        found = self.run.curves()
        return CURVES.empty_table() if found is None else where(found, member_id=self.truth.members)


@dataclasses.dataclass(frozen=True)
class Measure:
    """What is measured: the tables with their columns, what it needs, and the function.

    It needs the "language", "snapshots" at a rung, "pairs" of these, or the whole "sweep". Where
    its first table has a column `split`, it is asked for splits one by one. It is left out where
    the language or the rung does not suit it; what costs much is measured `at` the one rung where
    members are "compared", the rest at "all". `default` says whether it runs unless it is asked
    for; `decodes` whether it also runs for other prompts and ways of decoding; at most `most`
    members are compared in pairs.
    """

    name: str
    tables: Mapping[str, pa.Schema]
    needs: str
    function: Function
    applies: Callable[[Language], bool] = lambda language: True
    suits: Callable[[str], bool] = lambda rung: True
    at: str = "all"
    default: bool = True
    decodes: bool = False
    most: int = 256

    @property
    def first(self) -> str:
        """The table that tells what was measured already."""
        return next(iter(self.tables))

    @property
    def by_split(self) -> bool:
        """Whether splits are measured one by one."""
        return "split" in self.tables[self.first].names


MEASURES: Registry[Measure] = Registry("measure")


def measure(
    name: str, tables: Mapping[str, pa.Schema], needs: str, **choices: Any
) -> Callable[[Function], Function]:
    """Decorate a function that measures, with the fields of its Measure.

    Its keywords with defaults are options of the measure.
    """
    assert needs in NEEDS, f"a measure needs one of {', '.join(NEEDS)}"

    def add(function: Function) -> Function:
        one = Measure(name, tables, needs, function, **choices)
        assert one.at in RUNGS, f"a measure is made at one of {', '.join(RUNGS)}"
        MEASURES.register(name)(one)
        return function

    return add


def schemas() -> dict[str, pa.Schema]:
    """Give the columns of every table that some measure fills."""
    return {name: kind for one in MEASURES for name, kind in MEASURES[one].tables.items()}
