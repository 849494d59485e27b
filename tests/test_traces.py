"""Figures of the README stand in the committed files that it names.

What TRACES lists is made anew from the file, word for word. Any other decimal number beside a link
to a file is somewhere in that file.
"""

import csv
import json
import pathlib
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

ROOT = pathlib.Path(__file__).parent.parent
LINK = re.compile(r"\]\((results/[^)]+\.(?:csv|json))\)")
DECIMAL = re.compile(r"(?<![\w.^])[−-]?\d*\.\d+(?![\w.]|\d)")
PERCENT = re.compile(r"(\d+)%(?: \[(\d+), (\d+)\])?")
# What is asked for, not what was measured.
GIVEN = re.compile(r"`[^`]*`|\]\([^)]*\)|<[^>]*>|ε = [\d.]+|α[^|.,;]*|jax [\d.]+|Python [\d.]+")


class Trace(NamedTuple):
    """Words with places for numbers, and where these come from: a column of the rows that fit."""

    words: str
    file: str
    rows: dict[str, str]
    picks: tuple[tuple[str, Callable[[list[float]], float]], ...]


def only(values: list[float]) -> float:
    (value,) = set(values)
    return value


def hundredfold(values: list[float]) -> float:
    return 100 * only(values)


QUICK, CASE_1 = "quickstart", "case_rule_extrapolation"
AT_001 = {"rung": "0.01", "split": "ood", "rule": "R1"}
ALL_PAIRS = {"scope": "all"}
SPAN = (("slope", only), ("low", only), ("high", only))
ARM = {"rung": "0.001", "split": "ood", "rule": "R1"}
ARM_SPAN = (("mean", only), ("smallest", only), ("largest", only))
TRACES = (
    Trace(
        "R1 rate runs from {:.2f} to {:.2f}",
        f"{QUICK}/outcomes.csv",
        {"rung": "0.01"},
        (("kept", min), ("kept", max)),
    ),
    Trace(
        "up to {:.2f} of a model's completions are cut off at {:.0f} symbols",
        f"{QUICK}/outcomes.csv",
        {"rung": "0.01"},
        (("cut_off", max), ("max_length", only)),
    ),
    Trace(
        "On the {:.0f} prompts of {:.0f} symbols",
        f"{QUICK}/rules.csv",
        AT_001,
        (("prompts", only), ("prompt_length", only)),
    ),
    Trace(
        "would score {:.2f}, chance {:.2f}",
        f"{QUICK}/rules.csv",
        AT_001,
        (("eos_now", only), ("chance", only)),
    ),
    Trace("of the {:.0f} beginnings", f"{QUICK}/contexts.csv", {}, (("contexts", only),)),
    Trace(
        "{:.0f} of 32 members come within 0.01 nats per sequence of the truth and are perfect",
        f"{QUICK}/contexts.csv",
        {"rung": "0.01"},
        (("perfect", sum),),
    ),
    Trace(
        "its learning rate) has {:.0f}% [{:.0f}, {:.0f}]",
        f"{QUICK}/attribution.csv",
        {"rung": "0.01", "split": "ood", "measure": "js_next", "source": "architecture"},
        (("share", hundredfold), ("low", hundredfold), ("high", hundredfold)),
    ),
    Trace(
        "to the power {:.2f} [{:.2f}, {:.2f}]",
        f"{QUICK}/slopes.csv",
        ALL_PAIRS | {"split": "id", "measure": "js_seq"},
        SPAN,
    ),
    Trace(
        "on impossible prompts as {:.2f} [{:.2f}, {:.2f}]",
        f"{QUICK}/slopes.csv",
        ALL_PAIRS | {"split": "ood", "measure": "js_next"},
        SPAN,
    ),
    Trace(
        "| adversarial | 1.00 | {:.2f} ({:.2f} to {:.2f}) |",
        f"{CASE_1}/rules.csv",
        ARM | {"objective": "adversarial"},
        ARM_SPAN,
    ),
    Trace(
        "| mle | 1.00 | {:.2f} ({:.2f} to {:.2f}) |",
        f"{CASE_1}/rules.csv",
        ARM | {"objective": "mle"},
        ARM_SPAN,
    ),
)


@pytest.mark.parametrize("trace", TRACES, ids=lambda trace: trace.words)
def test_what_the_readme_says_is_made_from_the_file(trace: Trace) -> None:
    lines = (ROOT / "results" / "gallery" / trace.file).read_text().splitlines()
    rows = [row for row in csv.DictReader(lines) if all(row[k] == v for k, v in trace.rows.items())]
    numbers = [pick([float(row[column]) for row in rows]) for column, pick in trace.picks]
    said = " ".join((ROOT / "README.md").read_text().split())
    assert trace.words.format(*numbers).replace("-", "−") in said.replace("-", "−")


def parts() -> Iterator[tuple[str, list[str]]]:
    """Give each paragraph that names files, with the table below it if it ends in a colon."""
    blocks = (ROOT / "README.md").read_text().split("\n\n")
    for block, after in zip(blocks, [*blocks[1:], ""], strict=True):
        if files := LINK.findall(block):
            yield block + (f"\n{after}" if block.rstrip().endswith(":") else ""), files


def numbers_in(path: pathlib.Path) -> set[float]:
    def walk(value: object) -> Iterator[float]:
        if isinstance(value, dict | list):
            for part in value.values() if isinstance(value, dict) else value:
                yield from walk(part)
        elif isinstance(value, int | float):
            yield float(value)

    if path.suffix == ".json":
        return set(walk(json.loads(path.read_text())))
    found = set()
    for row in csv.reader(path.read_text().splitlines()):
        for cell in row:
            try:
                found.add(float(cell))
            except ValueError:
                continue
    return found


def figures_of(text: str) -> Iterator[tuple[str, float, int]]:
    """Give every measured figure as it is printed, its value, and its decimals."""
    plain = GIVEN.sub(" ", text)
    for share in PERCENT.finditer(plain):
        for digits in filter(None, share.groups()):
            yield f"{digits}%", float(digits) / 100, 2
    for printed in DECIMAL.findall(PERCENT.sub(" ", plain)):
        number = printed.replace("−", "-")
        yield printed, float(number), len(number.partition(".")[2])


@pytest.mark.parametrize(("text", "files"), list(parts()))
def test_every_measured_figure_stands_in_a_committed_file(text: str, files: list[str]) -> None:
    known = set().union(*(numbers_in(ROOT / file) for file in files))
    figures = list(figures_of(text))
    lost = [
        printed
        for printed, value, decimals in figures
        if not any(abs(value - known_one) <= 0.5000001 * 10**-decimals for known_one in known)
    ]
    assert (lost, files) == ([], files)


def test_a_wrong_figure_would_be_found() -> None:
    assert [f[1] for f in figures_of("74% [62, 82] and −0.04, at ε = 0.01")] == [
        0.74,
        0.62,
        0.82,
        -0.04,
    ]
