"""Sample completions: two members of one cell at the same ε that behave least alike."""

import dataclasses

import numpy as np
import pyarrow as pa

from identjax.query import reported, split_by, where
from identjax.report.gather import Source
from identjax.report.marks import Marked, Marker
from identjax.report.table import Row, Table

PROMPTS = 6
FIELDS = (
    "sweep",
    "language",
    "cell",
    "rung",
    "prompt",
    "agreement",
    "typical_member",
    "typical",
    "different_member",
    "different",
)


@dataclasses.dataclass(frozen=True)
class Sample:
    """One prompt, its two completions, and how often two members of the cell agree on it."""

    prompt: str
    agreement: float
    typical: Marked
    different: Marked


@dataclasses.dataclass(frozen=True)
class Pair:
    """The most typical and the most different member of a cell, on the prompts that part them."""

    cell: str
    members: int
    prompts: int
    typical: str
    different: str
    samples: tuple[Sample, ...]


def choose(source: Source, language: str, rung: str | None) -> list[Pair]:
    """Find the two members and the prompts in each cell, out of distribution."""
    rows = where(reported(source.completions), language=language, rung=rung or "final", split="ood")
    marker = Marker.of(source, language)
    pairs = [_choose_in(cell, part, marker) for (cell,), part in split_by(rows, "cell")]
    return sorted((pair for pair in pairs if pair is not None), key=lambda pair: pair.cell)


def tabulate(found: list[tuple[Source, str, str | None, list[Pair]]]) -> Table:
    """Put all samples in one table, for its CSV."""
    rows: list[Row] = []
    for source, language, rung, pairs in found:
        about = {"sweep": source.name, "language": language, "rung": rung or "final"}
        for pair in pairs:
            who = {"typical_member": pair.typical, "different_member": pair.different}
            rows += [
                about
                | who
                | {
                    "cell": pair.cell,
                    "prompt": sample.prompt,
                    "agreement": sample.agreement,
                    "typical": sample.typical.plain,
                    "different": sample.different.plain,
                }
                for sample in pair.samples
            ]
    return Table("samples", "Sample completions", "", FIELDS, (), tuple(rows))


def _choose_in(cell: str, part: pa.Table, marker: Marker) -> Pair | None:
    completions = list(
        zip(part["completion"].to_pylist(), part["finished"].to_pylist(), strict=True)
    )
    ids, prompts, rows = _lay_out(part)
    if len(ids) < 2 or not prompts:
        return None
    names = {value: i for i, value in enumerate(sorted(set(completions), key=str))}
    labels = np.array([names[value] for value in completions])[rows]
    shares = np.stack([_share_alike(column) for column in labels.T])
    agreement = shares.mean(0)
    typical, different = int(agreement.argmax()), int(agreement.argmin())
    parted = labels[typical] != labels[different]
    order = sorted(range(len(prompts)), key=lambda n: (~parted[n], shares[n].mean(), prompts[n]))
    samples = tuple(
        Sample(
            prompts[n],
            float(shares[n].mean()),
            marker.mark(prompts[n], *completions[rows[typical, n]]),
            marker.mark(prompts[n], *completions[rows[different, n]]),
        )
        for n in order[:PROMPTS]
    )
    return Pair(cell, len(ids), len(prompts), ids[typical], ids[different], samples)


def _share_alike(labels: np.ndarray) -> np.ndarray:
    """Share of members that say the same as each member does, itself included."""
    _, place, counts = np.unique(labels, return_inverse=True, return_counts=True)
    shares: np.ndarray = counts[place] / len(labels)
    return shares


def _lay_out(part: pa.Table) -> tuple[list[str], list[str], np.ndarray]:
    """List the members, the prompts that all of them have, and the row of each pair [M, N]."""
    rows: dict[str, dict[str, int]] = {}
    keys = zip(part["member_id"].to_pylist(), part["prompt"].to_pylist(), strict=True)
    for row, (member, prompt) in enumerate(keys):
        rows.setdefault(member, {})[prompt] = row
    if not rows:
        return [], [], np.zeros((0, 0), int)
    prompts = sorted(set.intersection(*(set(own) for own in rows.values())))
    table = [[own[prompt] for prompt in prompts] for own in rows.values()]
    return list(rows), prompts, np.array(table, int).reshape(len(rows), len(prompts))
