"""The rule table: how often each rule holds, with what needs no learning beside it."""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from identjax.evaluation.cells import CHOICES
from identjax.query import distinct, floats, reported, rung_order, settled, split_by, where
from identjax.report.format import interval, share, span
from identjax.report.gather import Source
from identjax.report.table import Column, Row, Table, number, text
from identjax.statistics.intervals import seed_interval

CELL = ("language", *CHOICES)
KEYS = (*CELL, "rung", "split", "rule")
BASELINES = ("chance", "eos_now", "truth")
FIELDS = (
    "sweep",
    *KEYS,
    "n",
    "members",
    "mean",
    "low",
    "high",
    "interquartile_mean",
    "interquartile_low",
    "interquartile_high",
    "smallest",
    "largest",
    "mean_with_failures",
    "finished",
    "rate_finished",
    "prompts",
    "unsatisfiable",
    *BASELINES,
)
SPLITS = {"id": "in distribution", "ood": "out of distribution", "bos": "from nothing"}


def tabulate(sources: list[Source]) -> Table:
    """Summarise the rates of every cell, rung, split and rule."""
    rows = [row for source in sources for row in _rows(source)]
    rows.sort(key=_order)
    caption = (
        "Mean over members of the share of judged prompts whose greedy completion is finished and "
        "keeps the rule, with a 95% interval over seeds and the range over members. “Finish” is "
        "the share of judged prompts that were finished, “of finished” the rate among those. "
        "A prompt is judged where the rule can still hold; a rule that none leaves open is not "
        "here. “n” counts the members that have the "
        "snapshot, out of all. “Chance” draws symbols and the end mark uniformly, “EOS now” ends "
        "at once; the truth is undefined on prompts that it gives probability zero."
    )
    if any(set(distinct(source.members, "objective")) - {"mle"} for source in sources):
        caption += " Prompts that some member of a sweep was taught are judged for none of it."
    return Table("rules", "Rule rates", caption, FIELDS, _COLUMNS, tuple(rows), name_block)


def show(table: Table, rows: list[Row], published: Sequence[Mapping[str, Any]] = ()) -> Table:
    """Give the table as people see it: some rows, and published figures under each block."""
    rows = [row for row in rows if row["prompts"] != "0"]
    failures = any(row["mean_with_failures"] != row["mean"] for row in rows)
    hidden = {name for name in CHOICES[1:] if len({row[name] for row in rows}) < 2}
    hidden |= set() if failures else {"with failures as 0"}
    columns = tuple(column for column in table.columns if column.label not in hidden)
    shown: list[Row] = []
    for place, block in itertools.groupby(rows, _place):
        members = list(block)
        shown += members
        about = dict(zip(("language", "split", "rule"), place, strict=True))
        shown += [
            _published_row(members[0], figure)
            for figure in published
            if all(figure.get(name) == value for name, value in about.items())
        ]
    return dataclasses.replace(table.keep(shown), columns=columns)


def _place(row: Row) -> tuple[str, ...]:
    return row["language"], row["split"], row["rule"]


def _published_row(row: Row, figure: Mapping[str, Any]) -> Row:
    """Lay a published figure (a mean, with its source and what else it says) beside ours."""
    label = f"published: {figure.get('architecture', '')} ({figure.get('source', 'no source')})"
    taken = {name: figure.get(name) for name in ("mean", "low", "high", "smallest", "largest")}
    none = dict.fromkeys(("finished", "rate_finished", "mean_with_failures"))
    names = {name: figure.get(name, "") for name in CHOICES} | {CHOICES[0]: label}
    who = names | {"n": figure.get("n"), "members": None}
    return row | none | taken | who


def _rows(source: Source) -> list[Row]:
    beside = _baselines(source)
    planned = {key: part.num_rows for key, part in split_by(reported(source.members), *CELL)}
    broke = _count_broken(source)
    rows = []
    for key, part in split_by(settled(reported(source.rules)), *KEYS):
        about = dict(zip(KEYS, key, strict=True))
        cell = key[: len(CELL)]
        failures = broke.get(cell, 0) if about["rung"] == "final" else 0
        place = (about["language"], about["split"], about["rule"])
        rows.append(
            {"sweep": source.name}
            | about
            | {"members": planned[cell]}
            | _summarise(part, failures)
            | {name: beside.get((*place, name)) for name in BASELINES}
        )
    return rows


def _summarise(part: pa.Table, failures: int) -> Row:
    rates = floats(part, "rate")
    rates = rates[~np.isnan(rates)]
    found, middle = (seed_interval(rates, trim=trim, bounds=(0.0, 1.0)) for trim in (0, 0.25))
    judged = bool(len(rates))
    # Equal rates say nothing of how far others may lie: the range shows that they are equal.
    spread = judged and float(np.ptp(rates)) > 0
    return {
        "n": len(rates),
        "mean": float(rates.mean()) if judged else None,
        "low": found.low if spread else None,
        "high": found.high if spread else None,
        "interquartile_mean": middle.value if judged else None,
        "interquartile_low": middle.low if spread else None,
        "interquartile_high": middle.high if spread else None,
        "smallest": float(rates.min()) if judged else None,
        "largest": float(rates.max()) if judged else None,
        "mean_with_failures": float(rates.sum() / (len(rates) + failures)) if judged else None,
        "finished": _mean(part, "finished"),
        "rate_finished": _mean(part, "rate_finished"),
        "prompts": span(part["prompts"].drop_null().to_pylist()),
        "unsatisfiable": span(part["unsatisfiable"].drop_null().to_pylist()),
    }


def _mean(part: pa.Table, column: str) -> float | None:
    values = floats(part, column)
    values = values[~np.isnan(values)]
    return float(values.mean()) if len(values) else None


def _count_broken(source: Source) -> dict[tuple[str, ...], int]:
    broken = where(reported(source.members), status=["diverged", "failed"])
    parts = split_by(broken, *CELL)
    return {key: part.num_rows for key, part in parts}


def _baselines(source: Source) -> dict[tuple[str, ...], float]:
    table = source.baselines
    keys = zip(
        *(table[name].to_pylist() for name in ("language", "split", "rule", "baseline")),
        strict=True,
    )
    rates = floats(table, "rate").tolist()
    return {key: rate for key, rate in zip(keys, rates, strict=True) if not np.isnan(rate)}


def _order(row: Row) -> tuple[object, ...]:
    split = list(SPLITS).index(row["split"]) if row["split"] in SPLITS else len(SPLITS)
    place = (row["sweep"], row["language"], rung_order(row["rung"]), split, row["rule"])
    return (*place, *(row[name] for name in CHOICES))


def name_block(row: Row) -> str:
    """Name a block, the prompts behind it, and what needs no learning."""
    name = f"{row['rule']} {SPLITS.get(row['split'], row['split'])}, {name_rung(row['rung'])}"
    prompts = f"{row['prompts']} {'prompt' if row['prompts'] == '1' else 'prompts'}"
    if row["unsatisfiable"] != "0":
        prompts += f" judged, {row['unsatisfiable']} on which it cannot hold"
    beside = [
        f"{label} {share(row[field])}"
        for field, label in (("chance", "chance"), ("eos_now", "EOS now"), ("truth", "truth"))
        if row[field] is not None
    ]
    if row["truth"] is None and row["split"] == "ood":
        beside.append("truth undefined")
    return " · ".join([name, prompts, *beside])


def _n(row: Row) -> str:
    if row["members"] is None:
        return "" if row["n"] is None else str(row["n"])
    return f"{row['n']} of {row['members']}"


def _mean_text(row: Row) -> str:
    return f"{share(row['mean'])} {interval(row['low'], row['high'])}".strip()


def _range(row: Row) -> str:
    if row["smallest"] is None:
        return ""
    return f"{share(row['smallest'])} to {share(row['largest'])}"


def _share_or_nothing(value: float | None) -> str:
    return "" if value is None else share(value)


_COLUMNS = (
    *(text(name, name) for name in CHOICES),
    Column("n", _n),
    Column("mean [95%]", _mean_text),
    Column("range", _range),
    number("with failures as 0", "mean_with_failures", _share_or_nothing),
    number("finish", "finished", _share_or_nothing),
    number("of finished", "rate_finished", _share_or_nothing),
)


def name_rung(rung: str) -> str:
    """Say what a rung is."""
    if rung == "final":
        return "where stopped"
    return f"step {int(rung[1:]):,}" if rung.startswith("@") else f"ε = {rung}"
