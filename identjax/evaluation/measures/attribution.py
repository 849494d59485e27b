"""What explains how members differ at equal ε: each choice's and each seed's share, with p."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow.compute as pc

from identjax.evaluation.cells import CHOICES
from identjax.evaluation.measure import AtSweep, Found, measure
from identjax.evaluation.pair_tables import make_matrix, members_of
from identjax.query import distinct, floats, main_rule, split_by, where
from identjax.schema import TRUTH, schema_of
from identjax.statistics.attribution import Layout, SourceShare
from identjax.training.member import KINDS

# Divergences whose squares are split: the root of JS is a distance, as TV and churn are.
DISTANCES = {"js_next": np.sqrt, "tv_next": np.abs, "churn": np.abs}
SEEDS = ("init_seed", "data_seed", "noise_seed", "change_seed")
# Members with one seed start alike where they share these.
_START = ("architecture", "model", "start_digest", "init_seed")
_NO_CHOICE = {*TRUTH, *SEEDS, "start_digest", "steps"}
# All choices that a member can have, in the order in which sources are listed.
_FIELDS = tuple(n for n, kind in KINDS.items() if kind != "tag" and n not in _NO_CHOICE)
FACTORS = (*dict.fromkeys((*CHOICES, *_FIELDS)), "budget")
# Changes whenever the same input gives other rows.
_METHOD = "3"
_NUMBERS = dict.fromkeys(("share", "low", "high", "p", "least_p"), float)
COLUMNS: Mapping[str, type] = {
    **dict.fromkeys(("rung", "split", "measure", "source"), str),
    "df": int,
    **_NUMBERS,
    "members": int,
    "note": str,
    "digest": str,
}
Row = Mapping[str, Any]


@measure("attribution", {"attribution": schema_of(**TRUTH, **COLUMNS)}, needs="sweep")
def measure_attribution(at: AtSweep) -> Found:
    """Split each divergence, and the rates, over choices and seeds, at every rung and split.

    Members whose role is to select do not count. What stands for the same members with the same
    values is kept.
    """
    members = {row["member_id"]: row for row in at.members if row["role"] == "report"}
    stands: dict[tuple[str, ...], list[Row]] = {}
    for row in at.table("attribution").select(list(COLUMNS)).to_pylist():
        stands.setdefault((row["rung"], row["split"], row["measure"], row["digest"]), []).append(
            row
        )
    rows: list[Row] = []
    layouts: dict[tuple[str, ...], Layout] = {}
    for place, ids, values in _find_values(at, members):
        own = [members[member] for member in ids]
        digest = _digest(values, own)
        if kept := stands.get((*place, digest)):
            rows += kept
        elif len(ids) > 2 and np.ptp(values) > 0:
            if tuple(ids) not in layouts:
                layouts[tuple(ids)] = lay_out(own)
            rows += _list(place, digest, own, layouts[tuple(ids)].split(values))
    return {"attribution": {name: [row[name] for row in rows] for name in COLUMNS}}


def lay_out(members: Sequence[Row]) -> Layout:
    """Tell the choices and seeds of members apart."""
    return Layout(label_choices(members), label_seeds(members), len(members))


def label_choices(members: Sequence[Row]) -> dict[str, list[str]]:
    """Give the choices that vary among members, those that name cells first."""
    labels = {name: [str(row[name]) for row in members] for name in FACTORS}
    return {name: own for name, own in labels.items() if len(set(own)) > 1}


def label_seeds(members: Sequence[Row]) -> dict[str, list[str]]:
    """Give the seeds that vary: what a seed draws is the same for members with the same label.

    An initialisation is that of an architecture and its shape, whatever the optimizer is; data
    are the same for all that have the seed.
    """
    labels = {name: [str(row[name]) for row in members] for name in SEEDS}
    start = ["|".join(str(row[name]) for name in _START) for row in members]
    several = {name for name, own in labels.items() if len(set(own)) > 1}
    return {
        name: start if name == "init_seed" else labels[name] for name in SEEDS if name in several
    }


def _find_values(
    at: AtSweep, members: Mapping[str, Row]
) -> Iterator[tuple[tuple[str, ...], list[str], np.ndarray]]:
    """Go through what is split: its rung, split and measure, the members, and their values."""
    pairs = where(at.table("pairwise"), measure=list(DISTANCES))
    for place, part in split_by(pairs, "rung", "split", "measure"):
        ids = sorted(members_of(part) & members.keys())
        matrix = DISTANCES[place[2]](make_matrix(part, ids))
        np.fill_diagonal(matrix, 0)
        if np.isfinite(matrix).all():
            yield place, ids, matrix
    rules = where(at.table("rules"), member_id=list(members))
    rule = main_rule(distinct(rules, "rule"))
    for (rung, split), part in split_by(where(rules, rule=rule), "rung", "split"):
        judged = part.filter(pc.is_valid(part["rate"])).sort_by("member_id")
        for name, column in ((f"rate_{rule}", "rate"), ("finished", "finished")):
            yield (rung, split, name), judged["member_id"].to_pylist(), floats(judged, column)


def _digest(values: np.ndarray, members: Sequence[Row]) -> str:
    """Name the input: the values, and all choices and seeds of the members."""
    told = [[str(row[name]) for name in (*FACTORS, *SEEDS, "start_digest")] for row in members]
    text = f"{_METHOD}{told}".encode() + np.ascontiguousarray(values).tobytes()
    return hashlib.blake2b(text, digest_size=6).hexdigest()


def _list(
    place: tuple[str, ...], digest: str, members: Sequence[Row], found: Sequence[SourceShare]
) -> list[Row]:
    about: Row = dict(zip(("rung", "split", "measure"), place, strict=True))
    about = {**about, "members": len(members), "digest": digest}
    # The residual alone says nothing.
    return [{**about, **row._asdict()} for row in found] if len(found) > 1 else []
