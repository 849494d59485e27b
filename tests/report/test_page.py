"""The page and its files: drawn of whatever was found, safe text, the same bytes."""

import pathlib
import shutil
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from identjax import report
from identjax.errors import ConfigError
from tests.report.files import change, check_page, files_in, read_csv, read_page
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


def test_every_figure_and_table_stands_beside_the_page(tmp_path: pathlib.Path) -> None:
    store = plant(tmp_path, seeds=4)
    stale = store.report_dir / "figures" / "of_an_earlier_page.svg"
    stale.parent.mkdir()
    stale.write_text("<svg/>")
    report.write(tmp_path)
    names = set(files_in(store.report_dir))
    assert {f"tables/{n}" for n in ("rules.csv", "rules.tex", "members.csv")} <= names
    figures = {name for name in names if name.startswith("figures/")}
    assert {f"figures/{n}.L3.svg" for n in ("scatter", "outcomes", "heatmap")} <= figures
    assert read_page(store).count("<svg") == len(figures)
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
