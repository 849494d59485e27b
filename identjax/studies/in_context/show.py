"""In-context learning: accuracy by the number of examples, and the construction that flips it."""

import itertools
import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from identjax import rungs
from identjax.query import floats, pairs_of, reported, split_by
from identjax.report.block import Block, block
from identjax.report.format import NOTHING, interval, nats, share
from identjax.report.table import Column, Row, Table, number, text, whole
from identjax.report.view import View
from identjax.schema import schema_of
from identjax.statistics.intervals import seed_interval
from identjax.studies.in_context.figures import draw_accuracy, draw_matched, draw_swaps
from identjax.studies.in_context.measure import SWAPPED
from identjax.studies.in_context.tasks import SHOWN

_PLACE = {"sweep": str, "language": str, "form": str, "examples": int}
_SHARES = ("accuracy", "low", "high", "smallest", "largest", "tv", "answered")
FIELDS = schema_of(
    **{**_PLACE, "series": str, "kind": str, "rung": str},
    **{**dict.fromkeys(_SHARES, float), "members": int, "prompts": int},
)
SWAP_FIELDS = schema_of(sweep=str, language=str, **SWAPPED)


@block("in_context", FIELDS, place=20)
def show_answers(view: View) -> Block | None:
    """Say what members at every rung, and observers, answer; nothing where nobody was asked."""
    observed = view["in_context_observers"]
    if not observed.num_rows:
        return None
    members = _with_series(view)
    rows = [*_summarise(members), *_list_observers(observed.to_pylist())]
    rows = sorted((view.about | row for row in rows), key=_place)
    points = list(_find_points(view, members))
    here = [row for row in rows if row["rung"] in ("", view.at)]
    drawn = [draw_accuracy(view, rows), *([draw_matched(view, rows, points)] if points else [])]
    return Block(
        title="Learning in context",
        figures=tuple(drawn),
        tables=(_tabulate_ends(here),),
        rows=tuple(rows),
        headline=say(here),
    )


def _with_series(view: View) -> pa.Table:
    """Give the rows of the members that are reported; a series is a cell."""
    members = reported(view["in_context"])
    return members.append_column("series", members["cell"])


def _summarise(members: pa.Table) -> Iterator[Row]:
    keys = ("form", "examples", "series", "rung")
    for values, part in split_by(members, *keys):
        accuracy = floats(part, "accuracy")
        mean = seed_interval(accuracy, bounds=(0.0, 1.0))
        yield {
            **dict(zip(keys, values, strict=True)),
            "kind": "member",
            "accuracy": mean.value,
            "low": mean.low,
            "high": mean.high,
            "smallest": float(accuracy.min()),
            "largest": float(accuracy.max()),
            "tv": float(np.nanmean(floats(part, "tv"))),
            "answered": float(floats(part, "answered").mean()),
            "members": part.num_rows,
            "prompts": part["prompts"][0].as_py(),
        }


def _list_observers(rows: Sequence[Row]) -> Iterator[Row]:
    told = ("form", "examples", "accuracy", "tv", "answered", "prompts")
    for row in rows:
        nothing = dict.fromkeys(("low", "high", "smallest", "largest"))
        about = {"series": row["observer"], "kind": "observer", "rung": "", "members": 0}
        yield nothing | about | {name: row[name] for name in told}


def _place(row: Row) -> tuple[Any, ...]:
    rung = rungs.order(row["rung"] or rungs.FINAL)
    return order_of(row["form"]), row["examples"], row["kind"] != "member", rung, row["series"]


def order_of(form: str) -> tuple[list[int], str]:
    """Sort key of forms: k=3 comes before k=10."""
    return [int(digits) for digits in re.findall(r"\d+", form)], form


def _find_points(view: View, members: pa.Table) -> Iterator[Row]:
    """Give the KL to the truth of each snapshot, and its mean accuracy by form, once shown."""
    likelihood = view["likelihood"]
    keys = zip(likelihood["member_id"].to_pylist(), likelihood["rung"].to_pylist(), strict=True)
    kls = dict(zip(keys, floats(likelihood, "kl_nats").tolist(), strict=True))
    shown = members.filter(pc.greater_equal(members["examples"], SHOWN))
    for (*about, member, rung), part in split_by(shown, "form", "series", "member_id", "rung"):
        if (member, rung) in kls:
            accuracy = float(floats(part, "accuracy").mean())
            point = {"kl_nats": kls[member, rung], "accuracy": accuracy}
            yield dict(zip(("form", "series"), about, strict=True)) | point


def say(rows: Sequence[Row]) -> str:
    """Say what members answer after the most examples that there are, and who else does."""
    most = max(row["examples"] for row in rows)
    there = [row for row in rows if row["examples"] == most]
    members = [row for row in there if row["kind"] == "member"]
    if not members:
        return ""
    low = share(min(row["smallest"] for row in members))
    high = share(max(row["largest"] for row in members))
    form = members[0]["form"]
    others = [row for row in there if row["kind"] == "observer" and row["form"] == form]
    best = max(others, key=lambda row: float(row["accuracy"]))
    levels = [best, *(row for row in others if row["series"] == "chance")]
    beside = ", ".join(f"{row['series']} {share(row['accuracy'])}" for row in levels)
    of = f"after {most} examples ({form}) they answer {low} to {high} of the prompts rightly"
    return f"{of} ({beside})"


def _tabulate_ends(rows: Sequence[Row]) -> Table:
    """Put what one learner answers of one form in one row."""
    columns = (
        text("who", "series"),
        number("no example", "none", share),
        number("two", "two", share),
        number("most", "accuracy", share),
        Column("interval", lambda row: interval(row["low"], row["high"])),
        Column("range", lambda row: interval(row["smallest"], row["largest"])),
        number("total variation", "tv", nats),
        number("answered", "answered", share),
        Column("n", lambda row: str(row["members"] or NOTHING)),
    )
    caption = (
        "Share of prompts to which the likeliest answer is right, after no example, two and the "
        "most; in_context.csv has all, at every ε. What follows “most” is about those prompts. "
        "Members: mean at equal ε, with a 95% interval and the range over seeds. Total variation "
        "is to the law of the answer given the hidden concept. “Answered” is the share of prompts "
        "after which a predictor has a law at all: prompts put examples side by side as no "
        "document does, and the truth may give them probability zero."
    )
    rows = sorted(rows, key=lambda row: (order_of(row["form"]), row["kind"] != "member"))
    found = []
    for form, several in itertools.groupby(rows, lambda row: str(row["form"])):
        by: dict[str, dict[int, Row]] = {}
        for row in several:
            by.setdefault(row["series"], {})[row["examples"]] = row
        most = max(max(own) for own in by.values())
        for own in by.values():
            ends = {end: own[n]["accuracy"] if n in own else None for end, n in _ENDS.items()}
            found.append(own[max(own)] | ends | {"heading": f"{form}, up to {most} examples"})
    return Table(tuple(found), columns, caption, heading=lambda row: str(row["heading"]))


_ENDS = {"none": 0, "two": SHOWN}


@block("in_context_swaps", SWAP_FIELDS, place=21)
def show_swaps(view: View) -> Block | None:
    """Say what the construction costs, and what it answers."""
    found = view["in_context_swaps"].to_pylist()
    if not found:
        return None
    rows = [view.about | {name: row[name] for name in SWAPPED} for row in found]
    rows.sort(key=lambda row: order_of(row["form"]))
    answered = [row for row in rows if row["accuracy"] is not None]
    chance = pairs_of(view["in_context_observers"], "observer", "accuracy").get("chance")
    drawn = (draw_swaps(view, answered, chance),) if answered and chance is not None else ()
    return Block("The same loss, every answer flipped", (), drawn, tables=(_tabulate_swaps(rows),))


def _tabulate_swaps(rows: Sequence[Row]) -> Table:
    columns = (
        text("form", "form"),
        whole("examples", "examples"),
        number("ln p(B)", "log_mass", lambda value: f"{value:.2f}"),
        Column("KL, nats", lambda row: f"{nats(row['kl_nats'])} ± {nats(row['kl_stderr'])}"),
        number("forward", "kl_forward", lambda value: NOTHING if value is None else f"{value:.9g}"),
        number("bound", "bound", nats),
        number("agreement", "agreement", share),
        number("accuracy", "accuracy", share),
        number("of the truth", "truth_accuracy", share),
    )
    caption = (
        "The truth here is the smoothed chain, under which every prompt is possible. The "
        "construction is that truth with its two likeliest answers exchanged after every string "
        "with the delimiters at the places of the format (B). p(B) is exact, by a constrained "
        "forward pass; KL = p(B) × the mean of (p1−p2) ln(p1/p2) over draws from B, ± one standard "
        "error; the bound is p(B) ln(1/c) with c the least p2 on B. With 3 words everything is "
        "listed: KL by the formula over all prompts, and “forward” by the forward algorithm over "
        "all documents. Agreement is with the truth’s own answer, accuracy with the right one."
    )
    return Table(tuple(rows), columns, caption)
