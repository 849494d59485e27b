"""What each block says is what was planted."""

import pathlib

import pyarrow as pa
import pytest

from identjax import report
from identjax.store import Store
from tests.report.files import change, check_page, files_in, read_csv, read_page
from tests.report.planted import conclude, plant


def test_the_rule_table_has_the_planted_rates(tmp_path: pathlib.Path) -> None:
    store = plant(tmp_path, seeds=6)
    report.write(tmp_path)
    rows = {
        (r["architecture"], r["rung"], r["split"], r["rule"]): r for r in read_csv(store, "rules")
    }
    assert len(rows) == 2 * 3 * 5
    row = rows["lstm", "0.01", "ood", "R1"]
    assert float(row["mean"]) == pytest.approx(0.5)
    assert (float(row["smallest"]), float(row["largest"])) == (1 / 7, 6 / 7)
    assert float(row["low"]) < 0.5 < float(row["high"])
    assert float(row["interquartile_mean"]) == pytest.approx(0.5)
    assert (row["n"], row["members"], row["prompts"], row["unsatisfiable"]) == (
        "6",
        "6",
        "200",
        "51",
    )
    assert (row["chance"], row["eos_now"], row["truth"]) == ("0.154", "0.275", "")
    assert rows["lstm", "0.01", "id", "R1"]["truth"] == "1.0"
    impossible = rows["transformer", "final", "ood", "R2"]
    assert (impossible["n"], impossible["mean"], impossible["unsatisfiable"]) == ("0", "", "251")


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


def set_members(store: Store, name: str, values: list[str]) -> None:
    """Give the members of a folder these values in a column."""
    members = store.read_members()
    assert members is not None
    place = members.column_names.index(name)
    store.write_members(members.set_column(place, name, pa.array(values)))


def test_members_are_counted_by_how_they_stand(tmp_path: pathlib.Path) -> None:
    store = plant(tmp_path, seeds=4, architectures=("lstm",))
    set_members(store, "status", ["done", "diverged", "training", "pending"])
    report.write(tmp_path)
    (row,) = read_csv(store, "members")
    counts = [row[name] for name in ("members", "done", "diverged", "training", "pending")]
    assert counts == ["4", "1", "1", "1", "1"]
    assert (row["reached_0.1"], row["reached_0.01"]) == ("4", "4")
    page = read_page(store)
    assert (row["reached_0.01_low"], row["reached_0.01_high"]) == ("", "")  # of four, none
    assert "is not finished" in page
    assert "1 not begun and 1 still in training" in page
    assert "1 member of" in page
    rules = {(r["rung"], r["split"], r["rule"]): r for r in read_csv(store, "rules")}
    assert rules["final", "ood", "R1"]["n"] == "3"
    assert rules["0.01", "ood", "R1"]["n"] == "4"
    of_three = (0.2 + 0.6 + 0.8) / 3
    assert float(rules["final", "ood", "R1"]["mean"]) == pytest.approx(of_three)
    counted = float(rules["final", "ood", "R1"]["mean_with_failures"])
    assert counted == pytest.approx(of_three * 3 / 4)


def test_members_that_served_to_select_are_not_reported(tmp_path: pathlib.Path) -> None:
    store = plant(tmp_path, seeds=4, architectures=("lstm",))
    set_members(store, "role", ["select", "report", "report", "report"])
    written = report.write(tmp_path)
    assert written.headline.startswith("3 of 3 members")
    assert {r["n"] for r in read_csv(store, "rules") if r["rule"] == "R1"} == {"3"}
    assert read_csv(store, "members")[0]["select"] == "1"


def test_the_members_are_one_set(tmp_path: pathlib.Path) -> None:
    store = plant(tmp_path, seeds=3)
    report.write(tmp_path)
    (row,) = read_csv(store, "sets")
    assert (row["scope"], row["rung"], row["ambiguity"]) == ("all", "0.01", "0.75")
    assert (row["capacity"], row["discrepancy"]) == ("0.123", "")


def test_the_curve_has_the_planted_divergences(tmp_path: pathlib.Path) -> None:
    store = plant(tmp_path, seeds=6)
    conclude(store)
    report.write(tmp_path)
    check_page(store)
    rows = {
        tuple(r[name] for name in ("rung", "measure", "split", "scope", "who")): r
        for r in read_csv(store, "curve")
    }
    everyone = rows["0.01", "js_next", "ood", "all", "followed"]
    assert int(everyone["pairs"]) == 66
    assert float(everyone["value"]) == pytest.approx((36 * 0.5 + 30 * 0.2) / 66)
    within = rows["0.01", "churn", "ood", "within", "present"]
    assert (float(within["value"]), int(within["pairs"])) == (pytest.approx(0.2), 30)
    assert float(rows["0.1", "js_seq", "id", "between", "followed"]["value"]) == pytest.approx(0.01)
    page = read_page(store)
    assert "All members reached ε = 0.01" in page
    drawn = {f"figures/curve.L3.{name}.svg" for name in ("js", "churn")}
    assert drawn <= {*files_in(store.report_dir)}
    (row, _) = [r for r in read_csv(store, "reached") if r["rung"] == "0.1"]
    kls = [float(row[f"kl_{name}"]) for name in ("min", "median", "max")]
    assert kls == pytest.approx([0.04, 0.065, 0.09])


def test_few_members_have_a_range_and_no_interval(tmp_path: pathlib.Path) -> None:
    store = plant(tmp_path, seeds=4)
    conclude(store)
    report.write(tmp_path)
    check_page(store)
    of_four = [r for r in read_csv(store, "rules") if r["rule"] == "R1" and r["split"] == "ood"]
    assert {r["low"] + r["high"] for r in of_four} == {""}
    assert all(float(r["smallest"]) < float(r["mean"]) < float(r["largest"]) for r in of_four)
    assert read_csv(store, "seeds") == []
    assert "no cell has five members" in read_page(store)


def test_the_page_says_how_many_seeds_and_what_fewer_would_show(tmp_path: pathlib.Path) -> None:
    store = plant(tmp_path, seeds=6)
    conclude(store)
    report.write(tmp_path)
    seeds = [row for row in read_csv(store, "seeds") if row["rung"] == "0.01"]
    assert [row["cell"] for row in seeds] == ["lstm"] * 2 + ["transformer"] * 2
    assert int(seeds[0]["seeds"]) < int(seeds[1]["seeds"])
    grown = {
        (row["scope"], row["measure"], int(row["size"])): float(row["value"])
        for row in read_csv(store, "growth")
    }
    # Of "aba" one member of six differs: of two of them, in a third of the pairs.
    assert grown["lstm", "ambiguity", 2] == pytest.approx(1 / 6)
    assert grown["lstm", "ambiguity", 6] == grown["lstm", "discrepancy", 6] == 0.5
    assert "How many seeds" in read_page(store)


def test_sizes_of_one_architecture_are_told_apart(tmp_path: pathlib.Path) -> None:
    store = plant(tmp_path, seeds=6, architectures=("lstm",))
    small, large = ('{"hidden": 8, "layers": 1}', '{"hidden": 16, "layers": 1}')
    set_members(store, "model", [small, small, small, large, large, large])
    report.write(tmp_path)
    check_page(store)
    rows = [r for r in read_csv(store, "rules") if (r["rung"], r["split"]) == ("0.01", "ood")]
    rates = {r["variant"]: r["n"] for r in rows if r["rule"] == "R1"}
    assert rates == {"hidden 8": "3", "hidden 16": "3"}
    assert "lstm / hidden 16" in read_page(store)


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


def test_the_samples_are_the_member_that_differs(tmp_path: pathlib.Path) -> None:
    store = plant(tmp_path, seeds=6, architectures=("lstm",))
    report.write(tmp_path)
    first, second = read_csv(store, "samples")
    assert first["prompt"] == "aba"
    assert first["different_member"] == "L3-lstm-adamw-00"
    assert (first["typical"], first["different"]) == ("∎", "b∎")
    assert float(first["agreement"]) == pytest.approx((25 + 1) / 36)
    assert (second["prompt"], second["agreement"]) == ("ba", "1.0")


def test_step_snapshots_are_drawn_and_are_no_rung(tmp_path: pathlib.Path) -> None:
    store = plant(tmp_path, seeds=3, steps=(1, 2, 4))
    written = report.write(tmp_path)
    check_page(store)
    assert {"figures/dynamics.L3.svg", "figures/masses.L3.svg"} <= set(files_in(store.report_dir))
    assert "within 0.01 nats" in written.headline
    plain = plant(tmp_path / "plain", seeds=3)
    report.write(plain.workdir)
    assert "figures/dynamics.L3.svg" not in files_in(plain.report_dir)


def test_a_baseline_of_zero_is_drawn_and_one_without_a_rate_is_not(tmp_path: pathlib.Path) -> None:
    store = plant(tmp_path, seeds=2)
    change(store, "baselines", rate=lambda rate: 0.0 if rate == 0.275 else None)
    report.write(tmp_path)
    drawn = (store.report_dir / "figures" / "scatter.L3.svg").read_text()
    assert "EOS now 0.00" in drawn
    assert "chance" not in drawn
