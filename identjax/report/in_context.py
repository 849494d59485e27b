"""In-context learning: accuracy by the number of examples, and the construction that flips it."""

import dataclasses
import json
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from identjax.analysis.statistics import seed_interval
from identjax.report.gather import Source
from identjax.report.select import floats, reported, split_by, where
from identjax.report.tables import Column, Row, Table, number, text, whole
from identjax.report.words import NOTHING, interval, nats, share

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


@dataclasses.dataclass(frozen=True)
class InContext:
    """Rows of members and observers, and of the construction; `rung` is where members stand."""

    rows: tuple[Row, ...]
    swaps: tuple[Row, ...]
    rung: str

    @property
    def forms(self) -> list[str]:
        """The forms of prompts that learners were asked, in order."""
        return list(dict.fromkeys(row["form"] for row in self.rows))

    @property
    def table(self) -> Table:
        """Accuracy at the least and the most examples of each form."""
        ends = {f: [r["examples"] for r in self.rows if r["form"] == f] for f in self.forms}
        shown = [r for r in self.rows if r["examples"] in (0, 2, max(ends[r["form"]]))]
        return tabulate(sorted(shown, key=lambda row: (row["form"], row["examples"])))

    @property
    def swap_table(self) -> Table:
        """The construction."""
        return tabulate_swaps(self.swaps)


def find_in_context(source: Source, language: str, rung: str) -> InContext | None:
    """Gather what was asked in context of one language; None where nothing was."""
    about = {"sweep": source.name, "language": language}
    members = where(reported(source.in_context), language=language, rung=rung)
    observed = where(source.in_context_observers, language=language)
    swaps = where(source.in_context_swaps, language=language).to_pylist()
    if not observed.num_rows:
        return None
    series = name_series(where(source.members, language=language).to_pylist())
    names = [series[member] for member in members["member_id"].to_pylist()]
    members = members.append_column("series", [names]) if names else members
    rows = [about | row | {"rung": rung} for row in _summarise(members)] if names else []
    rows += [about | row for row in _list_observers(observed.to_pylist())]
    order = {row["form"]: place for place, row in enumerate(rows)}
    rows.sort(key=lambda row: (order[row["form"]], row["examples"]))
    return InContext(tuple(rows), tuple({**row, **about} for row in swaps), rung)


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
        size = f" {told[0]}={own[told[0]]}" if told else ""
        found[row["member_id"]] = f"{row['cell']}{size}"
    return found


def _summarise(members: pa.Table) -> list[Row]:
    found = []
    for (form, examples, series), part in split_by(members, "form", "examples", "series"):
        accuracy = floats(part, "accuracy")
        mean = seed_interval(accuracy, bounds=(0.0, 1.0))
        found.append(
            {
                "form": form,
                "examples": examples,
                "series": series,
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
        )
    return found


def _list_observers(rows: Sequence[Row]) -> list[Row]:
    nothing = {"rung": "", "low": None, "high": None, "smallest": None, "largest": None}
    return [
        {**nothing, **row, "series": row["observer"], "kind": "observer", "members": 0}
        for row in rows
    ]


def tabulate(rows: Sequence[Row]) -> Table:
    """Make the table of accuracies."""
    columns = (
        text("form", "form"),
        whole("examples", "examples"),
        text("who", "series"),
        number("accuracy", "accuracy", share),
        Column("interval", lambda row: interval(row["low"], row["high"])),
        Column("range", lambda row: interval(row["smallest"], row["largest"])),
        number("total variation", "tv", share),
        number("answered", "answered", share),
        Column("n", lambda row: str(row["members"] or NOTHING)),
    )
    caption = (
        "Share of prompts to which the likeliest answer is right, at the least, two and the most "
        "examples; every number of examples is in in_context.csv. Members: mean at equal ε with a "
        "95% interval over seeds. Total variation is to the law of the answer given the hidden "
        "concept. “Answered” is the share of prompts after which a predictor has a law at all: "
        "prompts put examples side by side as no document does, and the truth gives most of them "
        "probability zero."
    )
    return Table("in_context", "Learning in context", caption, FIELDS, columns, tuple(rows))


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
