"""The in-context part of a page: there only where something was asked."""

import pathlib

import pyarrow as pa
import pytest

from identjax import report
from identjax.evaluation.measure import schemas
from identjax.report.gather import gather
from identjax.report.view import View
from identjax.studies.in_context.show import order_of, say, show_answers
from tests.report.files import check_page, read_csv, read_page
from tests.report.planted import plant

TRUTH = {"language": "L3", "max_length": 32, "language_options": "{}"}
ASKED = {"form": "k=3", "prompts": 8, "tv": 0.5, "answered": 1.0}


def test_a_page_shows_accuracy_by_examples_and_the_construction(tmp_path: pathlib.Path) -> None:
    store = plant(tmp_path, seeds=2)
    members = store.read_members()
    assert members is not None
    truth = {name: members[name][0].as_py() for name in TRUTH}
    found = [
        {"member_id": row["member_id"], "rung": rung, "examples": n, **ASKED}
        | {"accuracy": 0.25 * n + 0.5 * row["init_seed"] if rung == "0.01" else 0.0}
        for row in members.to_pylist()
        for n in (0, 2)
        for rung in ("0.01", "1")
    ]
    seen = [
        {**truth, "observer": "chance", "examples": n, "accuracy": 0.1, **ASKED} for n in (0, 2)
    ]
    one = {**truth, "form": "k=3", "examples": 2, "places": 10, "log_mass": -4.5, "prompts": 8}
    one |= {"kl_nats": 0.004, "kl_stderr": 0.001, "kl_forward": None, "floor": 0.1, "bound": 0.02}
    swaps = [one | {"agreement": 0.0, "accuracy": 0.05, "truth_accuracy": 0.9}]
    tables = {"in_context": found, "in_context_observers": seen, "in_context_swaps": swaps}
    for name, rows in tables.items():
        store.write_eval(name, pa.Table.from_pylist(rows, schemas()[name]))
    report.write(tmp_path)
    check_page(store)
    written = {(r["series"], r["examples"], r["rung"]): r for r in read_csv(store, "in_context")}
    assert float(written["lstm", "2", "0.01"]["accuracy"]) == pytest.approx(0.75)
    assert float(written["lstm", "2", "1"]["accuracy"]) == 0
    assert written["lstm", "2", "0.01"]["members"] == "2"
    assert float(written["chance", "0", ""]["accuracy"]) == pytest.approx(0.1)
    assert read_csv(store, "in_context_swaps")[0]["kl_forward"] == ""
    page = read_page(store)
    assert "Learning in context" in page
    assert "k=3, up to 2 examples" in page
    (source,) = gather([tmp_path])
    block = show_answers(View.of(source, "L3"))
    # At ε = 1 every answer was wrong: that is not where members are compared.
    assert block is not None
    assert "they answer 0.50 to 1.00 of the prompts" in block.headline
    figures = {path.name for path in (tmp_path / "report" / "figures").iterdir()}
    assert {f"in_context{kind}.L3.svg" for kind in ("", "_matched", "_swaps")} <= figures


def test_forms_are_in_order_and_the_sentence_gives_the_range_beside_observers() -> None:
    about = {"form": "k=3", "examples": 2, "rung": "1"}
    rows = (
        {**about, "series": "lstm", "kind": "member", "smallest": 0.25, "largest": 0.5},
        {**about, "series": "chance", "kind": "observer", "accuracy": 0.1, "rung": ""},
        {**about, "series": "Bayes", "kind": "observer", "accuracy": 0.9, "rung": ""},
    )
    said = "after 2 examples (k=3) they answer 0.25 to 0.50 of the prompts rightly"
    assert say(rows) == f"{said} (Bayes 0.90, chance 0.10)"
    assert sorted(["k=10", "k=2, 3 words", "k=3"], key=order_of) == ["k=2, 3 words", "k=3", "k=10"]


def test_a_page_without_questions_says_nothing_of_them(tmp_path: pathlib.Path) -> None:
    store = plant(tmp_path, seeds=2)
    report.write(tmp_path)
    assert "in context" not in read_page(store)
    assert not (tmp_path / "report" / "tables" / "in_context.csv").exists()
