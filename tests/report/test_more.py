"""Comparisons of sweeps, published figures, the order of heat maps, and dynamics."""

import csv
import pathlib

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from identjax import report
from tests.report.files import check_page, files_in, read_csv, read_page
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
    # Every pair differs by as much, so the interval has no width.
    assert [float(row[n]) for n in ("difference", "low", "high")] == pytest.approx([0.1] * 3)
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


def test_published_figures_stand_beside_ours(tmp_path: pathlib.Path) -> None:
    store = plant(tmp_path, seeds=3)
    sweep = store.read_sweep()
    assert sweep is not None
    figure = {
        "language": "L3",
        "split": "ood",
        "rule": "R1",
        "architecture": "transformer",
        "source": "someone <2024>",
        "mean": 0.462,
        "n": 34,
        "smallest": 0.34,
        "largest": 0.63,
    }
    store.write_sweep(sweep | {"published": [figure, figure | {"language": "L1"}]})
    report.write(tmp_path)
    check_page(store)
    page = read_page(store)
    assert page.count("published: transformer (someone &lt;2024&gt;)") == 1
    assert "0.34 to 0.63" in page
    assert "someone" not in (tmp_path / "report" / "tables" / "rules.csv").read_text()


def test_the_members_are_one_set(tmp_path: pathlib.Path) -> None:
    store = plant(tmp_path, seeds=3)
    report.write(tmp_path)
    (row,) = read_csv(store, "sets")
    assert (row["scope"], row["rung"], row["ambiguity"]) == ("all", "0.01", "0.75")
    assert (row["capacity"], row["discrepancy"], row["underspecification"]) == ("0.123", "", "inf")
    assert '<td class="n">∞</td>' in read_page(store)


def test_the_curve_follows_the_same_members(tmp_path: pathlib.Path) -> None:
    store = plant(tmp_path, seeds=6)
    table = store.read_eval("pairwise")
    assert table is not None
    # At ε = .01 one LSTM is missing, and at .001 all of them are.
    late = table.filter(pc.equal(table["rung"], "0.01")).to_pylist()
    late = [row | {"rung": "0.001"} for row in late]
    rows = [
        row
        for row in [*table.to_pylist(), *late]
        if not (row["rung"] == "0.01" and "lstm-adamw-00" in row["member_a"] + row["member_b"])
        and not (row["rung"] == "0.001" and "lstm" in row["member_a"] + row["member_b"])
    ]
    store.write_eval("pairwise", pa.Table.from_pylist(rows, table.schema))
    report.write(tmp_path)
    found = read_csv(store, "identifiability")
    assert {(row["rung"], row["members"]) for row in found} == {("0.1", "11"), ("0.01", "11")}


def test_kinds_of_behaviour_are_found_and_described(tmp_path: pathlib.Path) -> None:
    """Here all Transformers end at once, and all LSTMs go on."""
    store = plant(tmp_path, seeds=4)
    table = store.read_eval("completions")
    assert table is not None
    rows = [
        row | {"completion": "ab" if "lstm" in row["member_id"] else ""}
        for row in table.to_pylist()
    ]
    store.write_eval("completions", pa.Table.from_pylist(rows, table.schema))
    report.write(tmp_path)
    check_page(store)
    first, second = read_csv(store, "kinds")
    assert (first["cells"], second["cells"]) == ("4 lstm", "4 transformer")
    assert float(first["rate"]) == pytest.approx(0.5)
    assert float(first["silhouette"]) == 1
    assert "Kinds of behaviour" in read_page(store)


def test_what_explains_a_rate_is_what_was_planted(tmp_path: pathlib.Path) -> None:
    store = plant(tmp_path, seeds=8)
    table = store.read_eval("rules")
    assert table is not None
    rows = [
        row | {"rate": 0.1 + 0.8 * ("lstm" in row["member_id"]) + row["rate"] / 100}
        if (row["split"], row["rule"]) == ("ood", "R1")
        else row
        for row in table.to_pylist()
    ]
    store.write_eval("rules", pa.Table.from_pylist(rows, table.schema))
    report.write(tmp_path)
    check_page(store)
    found = {row["source"]: float(row["share"]) for row in read_csv(store, "variance")}
    assert found["architecture"] > 0.99
    assert found["residual"] < 0.01
    assert "figures/variance.L3.svg" in files_in(store.report_dir)


def test_step_snapshots_are_drawn_and_are_no_rung(tmp_path: pathlib.Path) -> None:
    store = plant(tmp_path, seeds=3, steps=(1, 2, 4))
    written = report.write(tmp_path)
    check_page(store)
    assert {"figures/dynamics.L3.svg", "figures/masses.L3.svg"} <= set(files_in(store.report_dir))
    assert "within 0.01 nats" in written.headline
    plain = plant(tmp_path / "plain", seeds=3)
    report.write(plain.workdir)
    assert "figures/dynamics.L3.svg" not in files_in(plain.report_dir)
