"""The rule table: how often each rule holds, with what needs no learning beside it."""

import itertools
import operator
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from identjax.evaluation.cells import CHOICES
from identjax.query import Floats, distinct, floats, settled, split_by, where
from identjax.report.block import Block, block
from identjax.report.format import SPLITS, describe_length, interval, share, span
from identjax.report.gather import CELL
from identjax.report.table import Column, Row, Table, number, text, varies
from identjax.report.view import View
from identjax.rungs import FINAL, order, say
from identjax.schema import schema_of
from identjax.statistics.intervals import SHARES, seed_interval

KEYS = (*CELL, "rung", "split", "rule")
_PLACE = ("language", "split", "rule")
BASELINES = ("chance", "eos_now", "truth")
_MEANS = ("mean", "low", "high", "interquartile_mean")
_RANGE = ("smallest", "largest", "mean_with_failures", "finished", "rate_finished")
_ENDS = ("ended_wrongly", "cut_off")
_MASS = ("mass", "mass_low", "mass_high")
SCHEMA = schema_of(
    **dict.fromkeys(("sweep", *KEYS), str),
    **dict.fromkeys(("n", "members"), int),
    **dict.fromkeys((*_MEANS, *_RANGE, *_ENDS, *_MASS), float),
    **dict.fromkeys(("prompts", "unsatisfiable"), str),
    **dict.fromkeys(("prompt_length", "max_length"), int),
    **dict.fromkeys(BASELINES, float),
    below_eos_now=int,
    standing=str,
)


@block("rules", SCHEMA, place=300)
def show(view: View) -> Block:
    """Lay the rates under each other: where members are compared, and folded those elsewhere."""
    rows = sorted(tabulate(view), key=_order)
    judged = [row for row in rows if row["prompts"] != "0"]
    here = [row for row in judged if _is_here(row, view)]
    others = tuple(row for row in judged if not _is_here(row, view))
    if not here:
        return Block(rows=tuple(rows))
    caption = (
        "“Keep”: mean over members of the share of judged prompts whose greedy completion ends "
        "and keeps the rule, with a 95% interval over seeds (from 5 on) and the range over "
        "members. The other completions “end wrongly” or are “cut off” at the greatest length; “of "
        "ended” is the share that keeps the rule of those that end. “P at T = 1” is the mean "
        "probability of a completion that ends and keeps the rule, where each symbol is drawn "
        "with the member's own probabilities instead of the likeliest being taken. A prompt is "
        "judged where the rule can still hold; a rule that none leaves open is not here. “n” "
        "counts the members that have the snapshot, out of all. “Chance” draws symbols and the end "
        "mark uniformly, “EOS now” ends at once; a cell is “at” chance where its interval, or "
        "below 5 seeds its range, includes it. The truth is undefined on prompts that it gives "
        "probability zero."
    )
    if {*distinct(view["members"], "objective")} - {"mle"}:
        caption += " Prompts that some member of a sweep was taught are judged for none of it."
    published = view.source.run.sweep.get("published", ())
    tables = [Table(_lay_beside(here, published), _COLUMNS, caption, name_block)]
    if others:
        folded = "The same from nothing, and at the other snapshots"
        tables.append(Table(others, _COLUMNS, heading=name_block, folded=folded))
    title = f"Rules {f'at {say(view.rung)}' if view.rung else 'where members stopped'}"
    return Block(title, _say_standings(here, view), tables=tuple(tables), rows=tuple(rows))


def _is_here(row: Row, view: View) -> bool:
    return bool(row["rung"] == view.at and row["split"] != "bos")


def _lay_beside(rows: Sequence[Row], published: Sequence[Mapping[str, Any]]) -> tuple[Row, ...]:
    """Put published figures under the rows of the rule that they speak of."""
    shown: list[Row] = []
    for place, own in itertools.groupby(rows, operator.itemgetter(*_PLACE)):
        members = list(own)
        shown += members
        shown += [
            _published_row(members[0], figure)
            for figure in published
            if tuple(map(figure.get, _PLACE)) == place
        ]
    return tuple(shown)


def _published_row(row: Row, figure: Mapping[str, Any]) -> Row:
    """Lay a published figure (a mean, with its source and what else it says) beside ours."""
    label = f"published: {figure.get('architecture', '')} ({figure.get('source', 'no source')})"
    taken = {name: figure.get(name) for name in ("mean", "low", "high", "smallest", "largest")}
    unknown = ("finished", "rate_finished", "mean_with_failures", *_ENDS, *_MASS, "standing")
    none = dict.fromkeys(unknown) | {"standing": ""}
    names = {name: figure.get(name, "") for name in CELL[1:]} | {CHOICES[0]: label}
    return row | none | taken | names | {"n": figure.get("n"), "members": None}


def tabulate(view: View) -> list[Row]:
    """Summarise the rates of every cell, rung, split and rule."""
    beside, members = _baselines(view), view.reported("members")
    planned = {key: part.num_rows for key, part in split_by(members, *CELL)}
    diverged = where(members, status="diverged")
    broke = {key: part.num_rows for key, part in split_by(diverged, *CELL)}
    masses = dict(split_by(settled(view.reported("masses")), *KEYS))
    rows = []
    for key, part in split_by(settled(view.reported("rules")), *KEYS):
        row: Row = {"sweep": view.source.name, **dict(zip(KEYS, key, strict=True))}
        cell = key[: len(CELL)]
        failures = broke.get(cell, 0) if row["rung"] == FINAL else 0
        row |= {"members": planned[cell], **_summarise(part, failures)}
        row |= {"prompt_length": view.prompt_length(row["split"]), "max_length": view.max_length}
        row |= _summarise_mass(masses.get(key))
        place = row["split"], row["rule"]
        row |= {name: beside.get((*place, name)) for name in BASELINES}
        rates, ending = _known(part, "rate"), row["eos_now"]
        row["below_eos_now"] = None if ending is None else int((rates < ending).sum())
        rows.append(row | {"standing": say_standing(row)})
    return rows


def _summarise(part: pa.Table, failures: int) -> Row:
    rates = _known(part, "rate")
    row: Row = dict.fromkeys((*_MEANS, *_RANGE, *_ENDS)) | {"n": len(rates)}
    row |= {name: span(part[name].drop_null().to_pylist()) for name in ("prompts", "unsatisfiable")}
    for name in ("finished", "rate_finished"):
        if len(values := _known(part, name)):
            row[name] = float(values.mean())
    if not len(rates):
        return row
    row |= {"mean": rates.mean(), "smallest": rates.min(), "largest": rates.max()}
    row |= {"ended_wrongly": row["finished"] - row["mean"], "cut_off": 1 - row["finished"]}
    row["mean_with_failures"] = rates.sum() / (len(rates) + failures)
    row["interquartile_mean"] = seed_interval(rates, trim=0.25, bounds=SHARES).value
    found = seed_interval(rates, bounds=SHARES)
    return row | {"low": found.low, "high": found.high}


def _summarise_mass(part: pa.Table | None) -> Row:
    """Give the mean over members of P(rule | prompt), with its interval over seeds."""
    row: Row = dict.fromkeys(_MASS)
    values = np.zeros(0) if part is None else _known(part, "mass")
    if not len(values):
        return row
    found = seed_interval(values, bounds=SHARES)
    return row | dict(zip(_MASS, (found.value, found.low, found.high), strict=True))


def say_standing(row: Row) -> str:
    """Say how a cell stands to chance, and whether below ending at once; nothing of one member."""
    low, high = row["low"], row["high"]
    if low is None or np.isnan(low):
        low, high = row["smallest"], row["largest"]
    if low is None or row["n"] < 2:
        return ""
    words = []
    if (chance := row["chance"]) is not None:
        words.append("above" if low > chance else "below" if high < chance else "at")
    if row["eos_now"] is not None and high < row["eos_now"]:
        words.append("below EOS now")
    return ", ".join(words)


def _say_standings(rows: Sequence[Row], view: View) -> tuple[str, ...]:
    """Put in words which cells are no better than chance, or than ending at once, off the data."""
    sentences = []
    for row in rows:
        if (row["split"], row["rule"]) != ("ood", view.finding.rule):
            continue
        told, name = [], view.cell_name(row)
        side, _, ending_side = row["standing"].partition(", ")
        if side == "at":
            told.append(f"cannot be told from chance ({share(row['chance'])})")
        if side == "below":
            told.append(f"keep {row['rule']} less often than chance does ({share(row['chance'])})")
        if ending_side:
            told.append(f"keep it less often than ending at once does ({share(row['eos_now'])})")
        elif below := row["below_eos_now"]:
            ending = share(row["eos_now"])
            told.append(f"have {below} of {row['n']} that ending at once would beat ({ending})")
        if told:
            sentences.append(f"Out of distribution, members of {name} {' and '.join(told)}.")
    return tuple(sentences)


def _known(part: pa.Table, column: str) -> Floats:
    values = floats(part, column)
    return values[~np.isnan(values)]


def _baselines(view: View) -> dict[tuple[str, ...], float]:
    table = view["baselines"]
    keys = zip(*(table[name].to_pylist() for name in ("split", "rule", "baseline")), strict=True)
    rates = zip(keys, floats(table, "rate").tolist(), strict=True)
    return {key: rate for key, rate in rates if not np.isnan(rate)}


def _order(row: Row) -> tuple[object, ...]:
    split = list(SPLITS).index(row["split"]) if row["split"] in SPLITS else len(SPLITS)
    return order(row["rung"]), split, row["rule"], *(row[name] for name in CELL[1:])


def name_block(row: Row) -> str:
    """Name a block, the prompts behind it, and what needs no learning."""
    name = f"{row['rule']} {SPLITS.get(row['split'], row['split'])}, {say(row['rung'])}"
    prompts = f"{row['prompts']} {'prompt' if row['prompts'] == '1' else 'prompts'}"
    prompts += f"{describe_length(row['prompt_length'])}, cut off at {row['max_length']}"
    if row["unsatisfiable"] != "0":
        prompts += f" ({row['unsatisfiable']} more on which it cannot hold)"
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


def _mass_text(row: Row) -> str:
    if row["mass"] is None:
        return ""
    return f"{share(row['mass'])} {interval(row['mass_low'], row['mass_high'])}".strip()


def has_mass(rows: Sequence[Row]) -> bool:
    """Need the column of probabilities where some were measured."""
    return any(row["mass"] is not None for row in rows)


def has_standing(rows: Sequence[Row]) -> bool:
    """Need the column of standings where something can be said."""
    return any(row["standing"] for row in rows)


def _range(row: Row) -> str:
    if row["smallest"] is None:
        return ""
    return f"{share(row['smallest'])} to {share(row['largest'])}"


def _share_or_nothing(value: float | None) -> str:
    return "" if value is None else share(value)


def _counts_failures(rows: Sequence[Row]) -> bool:
    return any(row["mean_with_failures"] not in (None, row["mean"]) for row in rows)


_COLUMNS = (
    text(CHOICES[0], CHOICES[0]),
    *(text(name, name, needed=varies(name)) for name in CELL[2:]),
    Column("n", _n),
    Column("keep [95%]", _mean_text),
    Column("range", _range),
    number("with failures as 0", "mean_with_failures", _share_or_nothing, _counts_failures),
    number("end wrongly", "ended_wrongly", _share_or_nothing),
    number("cut off", "cut_off", _share_or_nothing),
    number("of ended", "rate_finished", _share_or_nothing),
    Column("P at T = 1", _mass_text, needed=has_mass),
    text("chance", "standing", needed=has_standing),
)
