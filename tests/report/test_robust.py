"""A page is drawn whatever was found, and what is missing is named."""

import csv
import pathlib
import shutil
from typing import Any

import pyarrow as pa
import pytest

from identjax import report
from identjax.errors import ConfigError
from tests.report.files import change, check_page, read_csv, read_page
from tests.report.planted import plant

PLANTS: dict[str, dict[str, Any]] = {
    "one member": {"seeds": 1, "architectures": ("lstm",)},
    "no prompts out of distribution": {"ood": False},
    "no pairs": {"pairwise": False},
    "several languages": {"languages": ("L1", "L3", "Ω-<3>"), "seeds": 2},
    "many cells": {
        "architectures": [f"a{i}" for i in range(9)],
        "seeds": 1,
        "optimizers": ("sgd", "adamw"),
    },
    "nothing ended": {"status": "training"},
    "all diverged": {"status": "diverged"},
}


@pytest.mark.parametrize("kind", PLANTS)
def test_a_page_is_drawn_of_any_sweep(kind: str, tmp_path: pathlib.Path) -> None:
    store = plant(tmp_path, **{"seeds": 3, **PLANTS[kind]})
    written = report.write(tmp_path)
    check_page(store)
    assert written.path == tmp_path / "report" / "index.html"
    assert written.headline.endswith(".")
    assert f"<h1>{written.headline}</h1>" in read_page(store)


def test_a_page_is_drawn_of_any_likelihood(tmp_path: pathlib.Path) -> None:
    store = plant(tmp_path, seeds=6)
    odd = {0.004: float("inf"), 0.005: 0.0, 0.006: -1e-9}
    change(store, "likelihood", kl_nats=lambda kl: odd.get(round(kl, 4), kl))
    report.write(tmp_path)
    check_page(store)


def test_a_page_is_drawn_of_a_kl_that_is_always_infinite(tmp_path: pathlib.Path) -> None:
    store = plant(tmp_path, seeds=2)
    change(store, "likelihood", kl_nats=lambda _: float("inf"))
    shutil.rmtree(tmp_path / "curves")
    rows = {"member_id": ["L3-lstm-adamw-00"], "step": [1], "metric": ["kl_nats"]}
    store.write_part("curves", "g", 0, 1, pa.table({**rows, "value": [float("inf")]}))
    written = report.write(tmp_path)
    check_page(store)
    assert written.headline.startswith("None of 4 members is within")
    assert "∞" in written.headline


def test_infinite_pairs_are_left_out_and_counted(tmp_path: pathlib.Path) -> None:
    store = plant(tmp_path, seeds=3, architectures=("lstm",))
    change(store, "pairwise", value=lambda value: float("inf") if value == 0.2 else value)
    report.write(tmp_path)
    rows = read_csv(store, "identifiability")
    assert {row["split"] for row in rows} == {"id"}


def test_several_folders_stand_on_one_page(tmp_path: pathlib.Path) -> None:
    first, second = plant(tmp_path / "a" / "one"), plant(tmp_path / "b" / "two", seeds=3)
    written = report.write([first.workdir, second.workdir])
    assert written.path == first.workdir / "report" / "comparison" / "index.html"
    text = written.path.read_text()
    assert "one, two · identjax" in text
    assert text.count("<svg") == 11
    with (written.path.parent / "tables" / "rules.csv").open(newline="") as file:
        assert {row["sweep"] for row in csv.DictReader(file)} == {"one", "two"}


def test_one_language_of_two_lengths_is_two_languages(tmp_path: pathlib.Path) -> None:
    store = plant(tmp_path, seeds=4, architectures=("lstm",))
    members = store.read_members()
    assert members is not None
    lengths = pa.array([16, 16, 32, 32])
    at = members.column_names.index("max_length")
    store.write_members(members.set_column(at, "max_length", lengths))
    report.write(tmp_path)
    rows = [r for r in read_csv(store, "rules") if (r["rung"], r["rule"]) == ("final", "R2c")]
    assert [(r["language"], r["n"]) for r in rows] == [
        ("L3 (length 16)", "2"),
        ("L3 (length 32)", "2"),
    ]


@pytest.mark.parametrize("missing", ["evaluations", "a sweep", "a column"])
def test_what_is_missing_is_named(missing: str, tmp_path: pathlib.Path) -> None:
    store = plant(tmp_path)
    if missing == "evaluations":
        shutil.rmtree(tmp_path / "evals")
    elif missing == "a sweep":
        shutil.rmtree(tmp_path)
    else:
        table = store.read_eval("rules")
        assert table is not None
        store.write_eval("rules", table.drop_columns(["finished"]))
    with pytest.raises(ConfigError, match={"a column": "'finished'"}.get(missing, "workdir")):
        report.write(tmp_path)
