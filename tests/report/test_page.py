"""The page and its files: right numbers, safe text, the same bytes, whatever the data say."""

import pathlib

import numpy as np
import pyarrow as pa
import pytest

from identjax import report
from tests.report.files import change, files_in, read_csv, read_page
from tests.report.planted import plant


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
    assert float(row["interquartile_low"]) < 0.5 < float(row["interquartile_high"])
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


def test_the_curve_has_the_planted_divergences(tmp_path: pathlib.Path) -> None:
    store = plant(tmp_path, seeds=6)
    report.write(tmp_path)
    rows = {
        (r["rung"], r["measure"], r["split"], r["scope"]): r
        for r in read_csv(store, "identifiability")
    }
    everyone = rows["0.01", "tv_next", "ood", "all"]
    assert int(everyone["pairs"]) == 66
    assert float(everyone["value"]) == pytest.approx((36 * 0.5 + 30 * 0.2) / 66)
    assert float(rows["0.01", "churn", "ood", "within"]["value"]) == pytest.approx(0.2)
    assert int(rows["0.01", "churn", "ood", "within"]["pairs"]) == 30
    assert float(rows["0.1", "tv_next", "id", "all"]["value"]) == pytest.approx(0.01)


def test_the_samples_are_the_member_that_differs(tmp_path: pathlib.Path) -> None:
    store = plant(tmp_path, seeds=6, architectures=("lstm",))
    report.write(tmp_path)
    first, second = read_csv(store, "samples")
    assert first["prompt"] == "aba"
    assert first["different_member"] == "L3-lstm-adamw-00"
    assert (first["typical"], first["different"]) == ("∎", "b∎")
    assert float(first["agreement"]) == pytest.approx((25 + 1) / 36)
    assert (second["prompt"], second["agreement"]) == ("ba", "1.0")


def test_members_are_counted_by_how_they_stand(tmp_path: pathlib.Path) -> None:
    store = plant(tmp_path, seeds=4, architectures=("lstm",))
    members = store.read_members()
    assert members is not None
    status = pa.array(["done", "diverged", "training", "pending"])
    store.write_members(members.set_column(members.column_names.index("status"), "status", status))
    report.write(tmp_path)
    (row,) = read_csv(store, "members")
    counts = [row[name] for name in ("members", "done", "diverged", "training", "pending")]
    assert counts == ["4", "1", "1", "1", "1"]
    assert (row["reached_0.1"], row["reached_0.01"]) == ("4", "4")
    page = read_page(store)
    assert float(row["reached_0.01_low"]) == pytest.approx(4 / (4 + 1.96**2), abs=1e-3)  # Wilson
    assert row["reached_0.01_high"] == "1.0"
    assert "4 [0.51, 1.00]" in page
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
    members = store.read_members()
    assert members is not None
    role = pa.array(["select", "report", "report", "report"])
    store.write_members(members.set_column(members.column_names.index("role"), "role", role))
    written = report.write(tmp_path)
    assert written.headline.startswith("3 of 3 members")
    assert {r["n"] for r in read_csv(store, "rules") if r["rule"] == "R1"} == {"3"}
    assert read_csv(store, "members")[0]["select"] == "1"


def test_the_same_evaluations_give_the_same_bytes(tmp_path: pathlib.Path) -> None:
    store = plant(tmp_path / "one", languages=("L1", "L3"), seeds=2)
    report.write(store.workdir, tmp_path / "first")
    for name in ("likelihood", "rules", "completions", "pairwise", "baselines"):
        table = store.read_eval(name)
        assert table is not None
        order = np.random.default_rng(0).permutation(table.num_rows)
        store.write_eval(name, table.take(pa.array(order)))
    report.write(store.workdir, tmp_path / "second")
    assert files_in(tmp_path / "first") == files_in(tmp_path / "second")


def test_a_page_that_stands_is_left_as_it_is_until_its_data_change(tmp_path: pathlib.Path) -> None:
    store = plant(tmp_path, seeds=2)
    first = report.write(tmp_path)
    marked = first.path.read_text() + "<!-- as it was -->"
    first.path.write_text(marked)
    assert report.write(tmp_path) == first
    assert first.path.read_text() == marked
    rules = store.read_eval("rules")
    assert rules is not None
    store.write_eval("rules", rules)
    report.write(tmp_path)
    assert first.path.read_text() != marked


def test_every_figure_and_table_stands_beside_the_page(tmp_path: pathlib.Path) -> None:
    store = plant(tmp_path, seeds=4)
    stale = store.report_dir / "figures" / "of_an_earlier_page.svg"
    stale.parent.mkdir()
    stale.write_text("<svg/>")
    report.write(tmp_path)
    names = set(files_in(store.report_dir))
    assert {f"tables/{n}" for n in ("rules.csv", "rules.tex", "members.csv")} <= names
    figures = {name for name in names if name.startswith("figures/")}
    assert len(figures) == 6
    assert read_page(store).count("<svg") == 6
    assert not stale.exists()
    for name in figures:
        text = (store.report_dir / name).read_text()
        assert 'xmlns="http://www.w3.org/2000/svg"' in text
        assert "<metadata" not in text


def test_blocks_of_the_latex_table_say_of_which_language_they_are(tmp_path: pathlib.Path) -> None:
    for languages, named in ((("L3",), False), (("L3", "L5"), True)):
        store = plant(tmp_path / "-".join(languages), languages=languages, seeds=3)
        report.write(store.workdir)
        latex = (store.report_dir / "tables" / "rules.tex").read_text()
        blocks = [line for line in latex.splitlines() if line.startswith(r"\multicolumn")]
        assert len(blocks) % len(languages) == 0
        for language in languages:
            assert any(rf"\emph{{{language}, R1" in line for line in blocks) == named


def test_markup_in_names_is_text(tmp_path: pathlib.Path) -> None:
    name = '<script>alert("1")</script>&<b>$x_1$'
    store = plant(tmp_path / "a<i>b", languages=(name,), architectures=(name, 'x" onload="y'))
    change(store, "completions", prompt=lambda text: f"<b>{text}")
    report.write(store.workdir)
    text = read_page(store)
    assert "<script" not in text
    assert "<b>" not in text
    assert "<i>" not in text
    assert "&lt;script&gt;alert(" in text
    assert read_csv(store, "rules")[0]["language"] == name
    latex = (store.report_dir / "tables" / "rules.tex").read_text()
    assert r"\&\textless{}b\textgreater{}\$x\_1\$" in latex
