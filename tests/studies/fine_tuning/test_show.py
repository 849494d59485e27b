"""The page of members that start as one function: a panel for each change, nothing is lost."""

import pathlib
from typing import Any

import numpy as np

from identjax import report
from identjax.models import Model
from identjax.models.symmetries import CHANGES, Change
from tests.registries import temporarily
from tests.report.files import check_page, read_csv, read_page
from tests.report.planted import plant
from tests.studies.fine_tuning import planted
from tests.studies.fine_tuning.planted import conclude, plant_tuned


def test_the_csv_files_hold_what_stands_in_evals(tmp_path: pathlib.Path) -> None:
    store = plant_tuned(tmp_path)
    conclude(store)
    report.write(tmp_path)
    for name in ("fine_tuning", "fine_tuning_rates", "fine_tuning_curves"):
        rows, found = planted.read(store, name), read_csv(store, name)
        assert len(found) == len(rows) > 0
        assert {row["language"] for row in found} == {"L3"}
        for row, other in zip(found, rows, strict=True):
            for column in set(row) - {"sweep", "language"}:
                assert row[column] == ("" if other[column] is None else str(other[column]))


def test_a_member_that_diverged_is_said_to_have_diverged(tmp_path: pathlib.Path) -> None:
    store = plant_tuned(tmp_path)
    conclude(store)
    report.write(tmp_path)
    page = read_page(store)
    assert "the best at α = 1 on 1 other start, of the 2 of 3 rates at which" in page
    assert "2 of 16 members diverged." in page


def test_the_page_has_a_section_only_where_starts_were_changed(tmp_path: pathlib.Path) -> None:
    changed, plain = plant_tuned(tmp_path / "changed"), plant(tmp_path / "plain")
    for store in (changed, plain):
        conclude(store)
        report.write(store.workdir)
    check_page(changed)
    assert "One function, several parameters" in read_page(changed)
    assert "One function, several parameters" not in read_page(plain)
    assert not (plain.workdir / "report" / "tables" / "fine_tuning.csv").exists()
    folder = changed.workdir / "report" / "figures"
    figures = {path.name for path in folder.iterdir()}
    assert {"tuning.L3.sgd.svg", "tuning-loss.L3.svg", "tuning-rates.L3.svg"} <= figures
    # A panel for each change made by several α; a permutation is in them all.
    curves = (folder / "tuning.L3.sgd.svg").read_text()
    words = ("feed-forward nets", "queries and keys", "permuted units", "α = 1<", "α = 4<")
    assert [word for word in words if word not in curves] == []
    assert "values and outputs" not in curves


class Wave(Change):
    """A change that a user registers."""

    label = "a change of one's own"

    def exact_for(self, model: Model) -> str:
        return ""

    def apply(self, model: Any, params: Any, alpha: float, random: np.random.Generator) -> None:
        pass


def test_a_change_of_ones_own_has_a_panel(tmp_path: pathlib.Path) -> None:
    mine = [("wave", 0.5, 0), ("wave", 8.0, 0)]
    with temporarily(CHANGES, "wave", Wave):
        store = plant_tuned(tmp_path, changes=[*planted.CHANGES, *mine])
        conclude(store)
        report.write(tmp_path)
    for name in ("tuning.L3.sgd", "tuning-loss.L3", "tuning-rates.L3"):
        figure = (tmp_path / "report" / "figures" / f"{name}.svg").read_text()
        assert figure.count("a change of one's own") == 1
        assert figure.count('id="' + name + "-axes_") == 3
    # Its α are lines of their own: ½ and 8 besides those of the others.
    curves = (tmp_path / "report" / "figures" / "tuning.L3.sgd.svg").read_text()
    assert [
        alpha for alpha in ("0.25", "0.5", "1", "4", "8") if f"α = {alpha}<" not in curves
    ] == []


def test_where_no_rate_is_steady_the_page_says_so(tmp_path: pathlib.Path) -> None:
    store = plant_tuned(tmp_path, rates=(0.9,))
    conclude(store)
    report.write(tmp_path)
    assert "though permutations move the loss there at every rate" in read_page(store)
