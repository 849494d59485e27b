"""Sample completions: two members of one cell at the same ε that behave least alike."""

import numpy as np
import pyarrow as pa

from identjax.query import split_by, where
from identjax.report.block import Block, block
from identjax.report.marks import PROMPT, Marker
from identjax.report.table import Column, Row, Table
from identjax.report.view import View
from identjax.rungs import say
from identjax.schema import schema_of

PROMPTS = 6
SCHEMA = schema_of(
    **dict.fromkeys(("sweep", "language", "cell", "rung", "prompt"), str),
    agreement=float,
    **dict.fromkeys(("typical_member", "typical", "different_member", "different"), str),
)


@block("samples", SCHEMA, place=700)
def show(view: View) -> Block:
    """Show two members of each cell, out of distribution."""
    completions = where(view.reported("completions"), rung=view.at, split="ood")
    about, rows, tables = view.about | {"rung": view.at}, [], []
    for (cell,), part in sorted(split_by(completions, "cell"), key=lambda item: str(item[0])):
        members, prompts, own = choose(part)
        if own:
            rows += [about | {"cell": cell} | row for row in own]
            label = f"{cell}, {members} members, {prompts} prompts"
            tables.append(_lay_out(own, label, Marker(view.truth)))
    if not tables:
        return Block(rows=())
    at = f" and at {say(view.rung)}" if view.rung else ""
    sentence = (
        f"In each cell, out of distribution{at}: the member whose completions agree most with the "
        "others, and the one that agrees least, on the prompts that part them most. ∎ is the end, "
        "… a completion that was cut off; a marked symbol is where a rule can no longer hold."
    )
    title, plain = "The same prompt, two members", Marker()
    for row in rows:
        row |= {name: str(plain.mark("", *row[name])) for name in ("typical", "different")}
    return Block(title, (sentence,), tables=tuple(tables), rows=tuple(rows))


def choose(part: pa.Table) -> tuple[int, int, list[Row]]:
    """Find the two members of a cell, and the prompts, on which they differ; count all of both."""
    answers = list(zip(part["completion"].to_pylist(), part["finished"].to_pylist(), strict=True))
    ids, prompts, rows = _index(part)
    if len(ids) < 2 or not prompts:
        return len(ids), len(prompts), []
    names = {value: i for i, value in enumerate(sorted(set(answers), key=str))}
    labels = np.array([names[value] for value in answers])[rows]
    shares = np.stack([_share_alike(column) for column in labels.T])
    agreement = shares.mean(0)
    typical, different = int(agreement.argmax()), int(agreement.argmin())
    parted = labels[typical] != labels[different]
    order = sorted(range(len(prompts)), key=lambda n: (~parted[n], shares[n].mean(), prompts[n]))
    found = [
        {
            "prompt": prompts[n],
            "agreement": float(shares[n].mean()),
            "typical_member": ids[typical],
            "typical": answers[rows[typical, n]],
            "different_member": ids[different],
            "different": answers[rows[different, n]],
        }
        for n in order[:PROMPTS]
    ]
    return len(ids), len(prompts), found


def _lay_out(rows: list[Row], label: str, marker: Marker) -> Table:
    columns = (
        PROMPT,
        marker.column(f"most typical {rows[0]['typical_member']}", "typical"),
        marker.column(f"most different {rows[0]['different_member']}", "different"),
        Column("agree", lambda row: f"{100 * row['agreement']:.0f}%"),
    )
    return Table(tuple(rows), columns, label=label)


def _share_alike(labels: np.ndarray) -> np.ndarray:
    """Share of members that say the same as each member does, itself included."""
    _, place, counts = np.unique(labels, return_inverse=True, return_counts=True)
    return counts[place] / len(labels)


def _index(part: pa.Table) -> tuple[list[str], list[str], np.ndarray]:
    """List the members, the prompts that all of them have, and the row of each pair [M, N]."""
    rows: dict[str, dict[str, int]] = {}
    keys = zip(part["member_id"].to_pylist(), part["prompt"].to_pylist(), strict=True)
    for row, (member, prompt) in enumerate(keys):
        rows.setdefault(member, {})[prompt] = row
    prompts = sorted(set.intersection(*map(set, rows.values())))
    table = [[own[prompt] for prompt in prompts] for own in rows.values()]
    return list(rows), prompts, np.array(table, int).reshape(len(rows), len(prompts))
