"""In-context learning: accuracy by the number of examples, and the construction that flips it."""

import dataclasses
import itertools
import json
import re
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from identjax.query import floats, reported, rung_order, split_by, where
from identjax.report.format import NOTHING, interval, nats, share
from identjax.report.gather import Source
from identjax.report.table import Column, Row, Table, number, text, whole
from identjax.statistics.intervals import seed_interval

_PLACE = ("sweep", "language", "form", "examples")
FIELDS = (
    *_PLACE,
    "series",
    "kind",
    "rung",
    "accuracy",
    "low",
    "high",
    "smallest",
    "largest",
    "tv",
    "answered",
    "members",
    "prompts",
)
SWAP_FIELDS = (
    *_PLACE,
    "places",
    "log_mass",
    "kl_nats",
    "kl_stderr",
    "kl_forward",
    "floor",
    "bound",
    "agreement",
    "accuracy",
    "truth_accuracy",
    "prompts",
)


# From so many examples on, what is asked has been shown.
SHOWN = 2


@dataclasses.dataclass(frozen=True)
class InContext:
    """Rows of members at every rung and of observers, and of the construction.

    `rung` is where members are compared; `points` has, for each snapshot, its KL to the truth and
    its mean accuracy over the prompts of each form with two examples or more.
    """

    rows: tuple[Row, ...]
    swaps: tuple[Row, ...]
    points: tuple[Row, ...]
    rung: str

    @property
    def here(self) -> list[Row]:
        """The rows of observers, and of members where they are compared."""
        return [row for row in self.rows if row["rung"] in ("", self.rung)]

    @property
    def forms(self) -> list[str]:
        """The forms of prompts that learners were asked, in order."""
        return list(dict.fromkeys(row["form"] for row in self.rows))

    @property
    def table(self) -> Table:
        """Accuracy at none, two and the most examples of each form."""
        return _tabulate_ends(self.here)

    @property
    def swap_table(self) -> Table:
        """The construction."""
        return tabulate_swaps(self.swaps)

    @property
    def sentence(self) -> str:
        """What members answer after the most examples that there are, and who else does."""
        most = max(row["examples"] for row in self.rows)
        there = [row for row in self.here if row["examples"] == most]
        members = [row for row in there if row["kind"] == "member"]
        if not members:
            return ""
        low = share(min(row["smallest"] for row in members))
        high = share(max(row["largest"] for row in members))
        form = members[0]["form"]
        others = [r for r in there if r["kind"] == "observer" and r["form"] == form]
        best = max(others, key=lambda row: row["accuracy"])
        levels = [best, *(row for row in others if row["series"] == "chance")]
        beside = ", ".join(f"{row['series']} {share(row['accuracy'])}" for row in levels)
        of = f"after {most} examples ({form}) they answer {low} to {high} of the prompts rightly"
        return f"{of} ({beside})"


def find_in_context(source: Source, language: str, rung: str) -> InContext | None:
    """Gather what was asked in context of one language; None where nothing was."""
    about = {"sweep": source.name, "language": language}
    members = where(reported(source.in_context), language=language)
    observed = where(source.in_context_observers, language=language)
    swaps = where(source.in_context_swaps, language=language).to_pylist()
    if not observed.num_rows:
        return None
    series = name_series(where(source.members, language=language).to_pylist())
    names = [series[member] for member in members["member_id"].to_pylist()]
    members = members.append_column("series", pa.array(names, pa.string()))
    rows = [about | row for row in (*_summarise(members), *_list_observers(observed.to_pylist()))]
    return InContext(
        tuple(sorted(rows, key=_place)),
        tuple(sorted(({**row, **about} for row in swaps), key=lambda r: order_of(r["form"]))),
        tuple(_find_points(source, members)),
        rung,
    )


def _place(row: Row) -> tuple[object, ...]:
    rung = rung_order(row["rung"] or "final")
    return order_of(row["form"]), row["examples"], row["kind"] != "member", rung, row["series"]


def order_of(form: str) -> tuple[list[int], str]:
    """Sort key of forms: k=3 comes before k=10."""
    return [int(digits) for digits in re.findall(r"\d+", form)], form


def _find_points(source: Source, members: pa.Table) -> list[Row]:
    likelihood = source.likelihood
    keys = zip(likelihood["member_id"].to_pylist(), likelihood["rung"].to_pylist(), strict=True)
    kl = dict(zip(keys, floats(likelihood, "kl_nats"), strict=True))
    shown = members.filter(pc.greater_equal(members["examples"], SHOWN))
    found = []
    for (form, series, member, rung), part in split_by(
        shown, "form", "series", "member_id", "rung"
    ):
        if (member, rung) in kl:
            point = {"form": form, "series": series, "kl_nats": float(kl[member, rung])}
            found.append(point | {"accuracy": float(floats(part, "accuracy").mean())})
    return found


def name_series(members: Sequence[Row]) -> dict[str, str]:
    """Name each member by its cell, and by what differs in the model within an architecture."""
    options = [json.loads(row["model"]) if row.get("model") else {} for row in members]
    found = {}
    for row, own in zip(members, options, strict=True):
        like = [
            o
            for m, o in zip(members, options, strict=True)
            if m["architecture"] == row["architecture"]
        ]
        told = [f for f in own if len({str(o.get(f)) for o in like}) > 1]
        # The first field that differs tells sizes apart: widths go together.
        size = f" ({told[0]}={own[told[0]]})" if told else ""
        found[row["member_id"]] = f"{row['cell']}{size}"
    return found


def _summarise(members: pa.Table) -> list[Row]:
    found = []
    keys = ("form", "examples", "series", "rung")
    for (form, examples, series, rung), part in split_by(members, *keys):
        accuracy = floats(part, "accuracy")
        mean = seed_interval(accuracy, bounds=(0.0, 1.0))
        found.append(
            {
                "form": form,
                "examples": examples,
                "series": series,
                "kind": "member",
                "rung": rung,
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
        )
    return found


def _list_observers(rows: Sequence[Row]) -> list[Row]:
    nothing = {"rung": "", "low": None, "high": None, "smallest": None, "largest": None}
    return [
        {**nothing, **row, "series": row["observer"], "kind": "observer", "members": 0}
        for row in rows
    ]


def tabulate(rows: Sequence[Row]) -> Table:
    """Make the table of accuracies, for the CSV."""
    columns = tuple(text(field, field) for field in FIELDS)
    return Table("in_context", "Learning in context", "", FIELDS, columns, tuple(rows))


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
    for form, own in itertools.groupby(rows, lambda row: row["form"]):
        several = list(own)
        most = max(row["examples"] for row in several)
        heading = f"{form}, up to {most} examples"
        for series in dict.fromkeys(row["series"] for row in several):
            by = {row["examples"]: row for row in several if row["series"] == series}
            ends = {end: by[n]["accuracy"] for end, n in (("none", 0), ("two", 2)) if n in by}
            nothing = {"none": None, "two": None, "heading": heading}
            found.append(by[max(by)] | nothing | ends)
    table = Table("in_context", "Learning in context", caption, FIELDS, columns, tuple(found))
    return dataclasses.replace(table, heading=lambda row: str(row["heading"]))


def tabulate_swaps(rows: Sequence[Row]) -> Table:
    """Make the table of the construction."""
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
    title = "The same loss, every answer flipped"
    return Table("in_context_swaps", title, caption, SWAP_FIELDS, columns, tuple(rows))
