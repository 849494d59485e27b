"""Several folders on one page, and what differs between them."""

import csv
import pathlib

import pytest

from identjax import report
from tests.report.planted import plant


def compare(first: pathlib.Path, second: pathlib.Path) -> dict[tuple[str, str], dict[str, str]]:
    page = report.write([first, second]).path
    with (page.parent / "tables" / "comparison.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["rung"] for row in rows} == {"0.01"}
    return {(r["split"], r["rule"]): r for r in rows}


def test_sweeps_with_the_same_seeds_are_compared_in_pairs(tmp_path: pathlib.Path) -> None:
    for name, shift in (("one", 0.0), ("two", 0.1)):
        plant(tmp_path / name, seeds=8, architectures=("lstm",), shift=shift)
    found = compare(tmp_path / "one", tmp_path / "two")
    row = found["ood", "R1"]
    assert (row["paired"], row["n_a"], row["n_b"]) == ("True", "8", "8")
    assert float(row["mean_a"]) == pytest.approx(0.5)
    assert float(row["difference"]) == pytest.approx(0.1)
    # Every pair differs by as much; other pairs may not, as far as eight can tell.
    assert -1 <= float(row["low"]) < 0.1 < float(row["high"]) <= 1
    assert float(row["p_value"]) == pytest.approx(2 / 2**8)
    # R2c and what is in distribution are the same everywhere: nothing to test, nothing to adjust.
    assert float(row["p_holm"]) == float(row["p_value"])
    assert (found["id", "R1"]["difference"], found["id", "R1"]["p_value"]) == ("0.0", "")


def test_sweeps_with_other_seeds_are_compared_as_two_samples(tmp_path: pathlib.Path) -> None:
    plant(tmp_path / "one", seeds=8, architectures=("lstm",))
    plant(tmp_path / "two", seeds=6, architectures=("lstm",), shift=0.1)
    row = compare(tmp_path / "one", tmp_path / "two")["ood", "R1"]
    assert (row["paired"], row["n_a"], row["n_b"]) == ("False", "8", "6")
    assert float(row["difference"]) == pytest.approx(0.1)
    assert float(row["low"]) < 0.1 < float(row["high"])


def test_sweeps_with_nothing_in_common_are_shown_all_the_same(tmp_path: pathlib.Path) -> None:
    plant(tmp_path / "one", architectures=("lstm",), seeds=2)
    plant(tmp_path / "two", architectures=("transformer",), seeds=2)
    page = report.write([tmp_path / "one", tmp_path / "two"]).path
    assert "no cell in common" in page.read_text()


def test_several_folders_stand_on_one_page(tmp_path: pathlib.Path) -> None:
    first, second = plant(tmp_path / "a" / "one"), plant(tmp_path / "b" / "two", seeds=3)
    written = report.write([first.workdir, second.workdir])
    assert written.path == first.workdir / "report" / "comparison" / "index.html"
    text = written.path.read_text()
    assert "one, two · identjax" in text
    drawn = {path.stem for path in (written.path.parent / "figures").glob("*.svg")}
    figures = ("heatmap", "outcomes", "scatter", "training")
    assert drawn == {f"{name}.{sweep}.L3" for name in figures for sweep in ("one", "two")}
    assert text.count("<svg") == len(drawn)
    with (written.path.parent / "tables" / "rules.csv").open(newline="") as file:
        assert {row["sweep"] for row in csv.DictReader(file)} == {"one", "two"}
