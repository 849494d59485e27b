"""What the page says of rates: how completions end, chance beside them, and what they depend on."""

import itertools
import pathlib
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from identjax import report
from identjax.evaluation.measure import schemas
from identjax.report.blocks.rules import say_standing
from identjax.store import Store
from tests.report.files import change, check_page, read_csv, read_page
from tests.report.planted import plant

SEEDS = 6


def members_of(store: Store) -> list[dict[str, Any]]:
    members = store.read_members()
    assert members is not None
    found: list[dict[str, Any]] = members.to_pylist()
    return found


def write(store: Store, name: str, rows: list[dict[str, Any]]) -> None:
    store.write_eval(name, pa.Table.from_pylist(rows, schemas()[name]))


def plant_endings(store: Store, finished: float) -> None:
    """Let so many completions end on impossible prompts; rates go down with them."""
    table = store.read_eval("rules")
    assert table is not None
    rows = table.to_pylist()
    for row in rows:
        if (row["split"], row["rule"]) == ("ood", "R1"):
            row |= {"finished": finished, "rate": row["rate"] * finished}
    write(store, "rules", rows)


def test_the_three_ways_to_end_add_up(tmp_path: pathlib.Path) -> None:
    store = plant(tmp_path, seeds=SEEDS)
    plant_endings(store, 0.5)
    written = report.write(tmp_path)
    check_page(store)
    rows = read_csv(store, "outcomes")
    assert len(rows) == 2 * SEEDS
    assert [row["cell"] for row in rows[:SEEDS]] == ["lstm"] * SEEDS
    kept = [float(row["kept"]) for row in rows[:SEEDS]]
    assert kept == pytest.approx([(s + 1) / 14 for s in reversed(range(SEEDS))])
    for row in rows:
        assert float(row["cut_off"]) == 0.5
        assert float(row["kept"]) + float(row["ended_wrongly"]) == pytest.approx(0.5)
        assert (row["prompts"], row["prompt_length"], row["max_length"]) == ("200", "8", "32")
    page = read_page(store)
    assert "keep R1, 0.25 end wrongly, and 0.50 are cut off at 32 symbols" in page
    assert "of those that end, 0.50 keep it" in page
    assert "200 prompts of 8 symbols" in page
    assert written.headline.endswith(
        "their R1 rate runs from 0.07 to 0.43, where chance has 0.15 (200 prompts of 8 symbols; "
        "0.50 of the completions are cut off at 32 symbols, and of those that end 0.14 to 0.86 "
        "keep R1)."
    )
    (row,) = (
        row
        for row in read_csv(store, "rules")
        if (row["architecture"], row["rung"], row["split"], row["rule"])
        == ("lstm", "0.01", "ood", "R1")
    )
    assert (float(row["ended_wrongly"]), float(row["cut_off"])) == pytest.approx((0.25, 0.5))
    # Seeds 0 to 2 of six keep the rule less often than ending at once, .275.
    assert (row["standing"], row["below_eos_now"]) == ("at", "3")
    assert "lstm cannot be told from chance (0.15) and have 3 of 6 that ending at once" in page


def test_without_impossible_prompts_nothing_is_said_of_endings(tmp_path: pathlib.Path) -> None:
    store = plant(tmp_path, seeds=1, ood=False, pairwise=False)
    report.write(tmp_path)
    check_page(store)
    for name in ("outcomes", "sensitivity", "nearest"):
        assert read_csv(store, name) == []


STANDINGS = [
    ({}, "above"),
    ({"low": 0.1, "high": 0.3}, "at"),
    ({"low": 0.1, "high": 0.2}, "at, below EOS now"),
    ({"low": 0.01, "high": 0.1}, "below, below EOS now"),
    # Below five seeds there is no interval, and the range stands for it.
    ({"low": None, "high": None}, "at"),
    ({"low": None, "high": None, "smallest": 0.2}, "above"),
    ({"n": 1, "low": None, "high": None}, ""),
    ({"chance": None, "eos_now": None}, ""),
    ({"n": 0, "low": None, "high": None, "smallest": None}, ""),
]


@pytest.mark.parametrize(("changes", "said"), STANDINGS)
def test_a_cell_stands_to_chance_as_its_interval_does(changes: dict[str, Any], said: str) -> None:
    row = {"n": 8, "low": 0.2, "high": 0.4, "smallest": 0.05, "largest": 0.9}
    assert say_standing(row | {"chance": 0.15, "eos_now": 0.275} | changes) == said


def test_the_page_says_which_cells_are_at_chance(tmp_path: pathlib.Path) -> None:
    store = plant(tmp_path, seeds=SEEDS, architectures=("lstm",))
    beside = {0.154: 0.5, 0.275: 0.49}
    change(store, "baselines", rate=lambda rate: beside.get(rate, rate))
    report.write(tmp_path)
    assert "members of lstm cannot be told from chance (0.50)" in read_page(store)
    change(store, "rules", rate=lambda rate: None if rate is None else rate / 10)
    report.write(tmp_path)
    page = read_page(store)
    assert "keep R1 less often than chance does (0.50)" in page
    assert "and keep it less often than ending at once does (0.49)" in page


def test_below_five_seeds_no_interval_stands(tmp_path: pathlib.Path) -> None:
    store = plant(tmp_path, seeds=4)
    report.write(tmp_path)
    assert {(row["low"], row["high"]) for row in read_csv(store, "rules")} == {("", "")}


def test_probabilities_stand_beside_the_rates(tmp_path: pathlib.Path) -> None:
    store = plant(tmp_path, seeds=SEEDS)
    about = {"rung": "0.01", "split": "ood", "rule": "R1", "exact": False, "draws": 1000}
    rows = [
        about
        | {"member_id": member["member_id"], "mass": 0.4 + 0.1 * (member["init_seed"] % 2)}
        | {"low": 0.3, "high": 0.6, "finished": 1.0, "prompts": 200}
        for member in members_of(store)
    ]
    write(store, "masses", rows)
    report.write(tmp_path)
    found = {(r["rung"], r["split"], r["rule"]): r for r in read_csv(store, "rules")}
    row = found["0.01", "ood", "R1"]
    assert float(row["mass"]) == pytest.approx(0.45)
    assert float(row["mass_low"]) < 0.45 < float(row["mass_high"])
    assert found["0.1", "ood", "R1"]["mass"] == ""
    assert "P at T = 1" in read_page(store)


def test_rates_are_shown_by_prompt_length_and_cut(tmp_path: pathlib.Path) -> None:
    store = plant(tmp_path, seeds=SEEDS)
    rows = []
    for member, length, cap in itertools.product(members_of(store), (4, 8), (32, 64)):
        # What the Transformers are cannot go beyond 32.
        if member["architecture"] == "lstm" or cap == 32:
            rate = length / 10 + (0.05 if cap == 64 else 0)
            about = {"member_id": member["member_id"], "rung": "0.01", "split": "ood"}
            where = {"length": length, "cap": cap, "rule": "R1", "prompts": 100, "chance": 0.2}
            rows.append(
                about | where | {"rate": rate, "finished": 0.9, "rate_finished": rate / 0.9}
            )
    write(store, "sensitivity", rows)
    report.write(tmp_path)
    check_page(store)
    found = {(r["cell"], r["length"], r["cap"]): r for r in read_csv(store, "sensitivity")}
    assert set(found) == {
        *itertools.product(["lstm"], "48", ["32", "64"]),
        *itertools.product(["transformer"], "48", ["32"]),
    }
    assert float(found["lstm", "8", "64"]["mean"]) == pytest.approx(0.85)
    page = read_page(store)
    assert "R1 is kept on 0.40 of the prompts of 4 symbols and on 0.80 of those of 8" in page
    assert "At 8 symbols, 0.80 become 0.85 when completions may go on to 64." in page
    assert page.count("It cannot be asked to go on") == 1
    assert "Beyond 32 symbols members write where no string of training ever was" in page


def test_the_nearest_law_is_named(tmp_path: pathlib.Path) -> None:
    store = plant(tmp_path, seeds=SEEDS)
    gaps = {"chance": 0.3, "order_1": 0.1, "noise_R2": np.nan}
    rows = [
        {"member_id": member["member_id"], "rung": "0.01", "split": "ood", "baseline": name}
        | {"js": gap + member["init_seed"] / 1000, "kl": 10 * gap, "prompts": 251}
        | {"defined": 4 if np.isnan(gap) else 251}
        for member, (name, gap) in itertools.product(members_of(store), gaps.items())
    ]
    write(store, "nearest", rows)
    report.write(tmp_path)
    check_page(store)
    found = {(row["cell"], row["baseline"]): row for row in read_csv(store, "nearest")}
    assert found["lstm", "order_1"]["nearest_of"] == str(SEEDS)
    assert float(found["lstm", "chance"]["js"]) == pytest.approx(0.3025)
    assert found["lstm", "noise_R2"]["js"] == ""
    page = read_page(store)
    assert "lstm (6 members): the nearest is the last symbol (JS 0.1" in page
    assert "“lengths and R2” is not compared: it says something on 4 of 251 prompts, since" in page
