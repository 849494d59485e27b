"""The sentence at the top is true of whatever was found."""

import dataclasses
import pathlib

import numpy as np
import pyarrow as pa
import pytest

from identjax.report.gather import gather
from identjax.report.headline import Ends, Finding, choose_rung, find, say, say_all
from tests.report.planted import plant

FOUND = Finding("L3", "0.01", 32, 30, 29, "R1", np.array([0.02, 0.5, 0.74]), 0.001)
NONE = np.array([])

SAID = [
    (
        {},
        "29 of 32 members come within 0.01 nats per sequence of the truth and are perfect in "
        "distribution there; out of distribution their R1 rate runs from 0.02 to 0.74.",
    ),
    (
        {"perfect": 1, "rates": np.array([0.5])},
        "1 of 32 members comes within 0.01 nats per sequence of the truth and is perfect in "
        "distribution there; out of distribution its R1 rate is 0.50.",
    ),
    (
        {"perfect": 0},
        "30 of 32 members come within 0.01 nats per sequence of the truth, but not to perfection "
        "in distribution; out of distribution their R1 rate runs from 0.02 to 0.74.",
    ),
    (
        {"perfect": None, "rates": NONE},
        "30 of 32 members come within 0.01 nats per sequence of the truth; no out-of-distribution "
        "prompt was judged.",
    ),
    (
        {"close": 0, "perfect": None, "rates": NONE, "nearest": 0.0123},
        "None of 32 members is within 0.01 nats per sequence of the truth when evaluated anew; the "
        "nearest is at 0.012.",
    ),
    (
        {"rung": None, "close": 0, "perfect": None, "rates": NONE, "nearest": np.nan},
        "None of 32 members has come within any ε of the truth yet.",
    ),
    (
        {"rates": np.array([0.999, 1.0])},
        "29 of 32 members come within 0.01 nats per sequence of the truth and are perfect in "
        "distribution there; out of distribution their R1 rate runs from 0.999 to 1.00.",
    ),
]


@pytest.mark.parametrize(("changes", "sentence"), SAID)
def test_one_language(changes: dict[str, object], sentence: str) -> None:
    assert say(dataclasses.replace(FOUND, **changes)) == sentence
    assert say_all([dataclasses.replace(FOUND, **changes)]) == sentence


def test_several_languages() -> None:
    narrow = dataclasses.replace(FOUND, language="L1", rung="0.1", rates=np.array([0.4, 0.5]))
    assert say_all([narrow, FOUND]) == (
        "In 2 languages, 60 of 64 members come within 0.01 to 0.1 nats per sequence of the truth; "
        "out of distribution the R1 rate of those that are perfect in distribution runs from 0.02 "
        "to 0.74 in L3, where it differs most."
    )


def test_what_is_found_is_what_was_planted(tmp_path: pathlib.Path) -> None:
    plant(tmp_path, seeds=8)
    (source,) = gather([tmp_path])
    found = find(source, "L3")
    # KL is .004 + seed/1000 at ε = .01: seeds 6 and 7 are above it when evaluated.
    assert (found.rung, found.members, found.close, found.perfect) == ("0.01", 16, 12, 12)
    assert sorted(set(found.rates.tolist())) == pytest.approx([(s + 1) / 9 for s in range(6)])
    assert found.nearest == pytest.approx(0.002)


@pytest.mark.parametrize(("truth", "perfect"), [(1.0, 0), (0.5, 12)])
def test_perfection_is_to_keep_what_the_truth_keeps(
    truth: float, perfect: int, tmp_path: pathlib.Path
) -> None:
    store = plant(tmp_path, seeds=8)
    for name, rate in (("rules", 0.5), ("baselines", truth)):
        table = store.read_eval(name)
        assert table is not None
        rows = table.to_pylist()
        for row in rows:
            if (row["split"], row["rule"]) == ("id", "R1"):
                row["rate"] = rate
        store.write_eval(name, pa.Table.from_pylist(rows, table.schema))
    (source,) = gather([tmp_path])
    assert find(source, "L3").perfect == perfect


def test_the_rung_is_the_smallest_that_most_members_reached(tmp_path: pathlib.Path) -> None:
    store = plant(tmp_path, seeds=8, architectures=("lstm",))
    table = store.read_eval("likelihood")
    assert table is not None
    for reached, rung in ((8, "0.01"), (7, "0.1")):
        kept = [
            row["rung"] != "0.01" or int(row["member_id"][-2:]) < reached
            for row in table.to_pylist()
        ]
        store.write_eval("likelihood", table.filter(kept))
        (source,) = gather([tmp_path])
        assert choose_rung(source, "L3") == rung


CUT, ALL = np.array([0.5, 0.75, 1.0]), np.ones(3)
ENDS = [
    (
        Ends(CUT, np.array([0.04, 0.6, 0.8]), "251 prompts of 8 symbols", 32, 0.01),
        ", where chance has 0.01 (251 prompts of 8 symbols; 0.00 to 0.50 of the completions are "
        "cut off at 32 symbols, and of those that end 0.04 to 0.80 keep R1).",
    ),
    (
        Ends(ALL, np.array([0.02, 0.5, 0.74]), "5 prompts", 16, 0.5),
        ", a mean that cannot be told from chance (0.50) (5 prompts; every completion ends within "
        "16 symbols).",
    ),
    (
        Ends(np.zeros(3), np.full(3, np.nan), "5 prompts", 16, 0.8),
        ", on average below chance (0.80) (5 prompts; 1.00 of the completions are cut off at 16 "
        "symbols).",
    ),
]


@pytest.mark.parametrize(("ends", "tail"), ENDS)
def test_a_rate_is_told_with_how_completions_end_and_with_chance(ends: Ends, tail: str) -> None:
    found = dataclasses.replace(FOUND, ends=ends)
    told = f"out of distribution their R1 rate runs from 0.02 to 0.74{tail}"
    assert say(found).endswith(told)
    other = dataclasses.replace(FOUND, language="L1", rates=np.array([0.4, 0.5]))
    assert say_all([other, found]).endswith(f"in L3, where it differs most{tail}")
