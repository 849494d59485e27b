"""What the page says of shares is what stands in evals/, or why nothing stands there."""

import pathlib
from typing import Any

import pyarrow as pa
import pytest

from identjax import report
from identjax.evaluation.measure import schemas
from identjax.store import Store
from tests.report.files import check_page, files_in, read_csv, read_page
from tests.report.planted import TRUTH, plant

CHOICE = {"df": 1, "p": 0.001, "least_p": 0.001, "note": "with learning_rate"}
REST = {"df": 30, "p": None, "least_p": None, "note": "holds init_seed"}
SHARES = {"js_next": 0.75, "tv_next": 0.85, "churn": 0.4, "rate_R1": -0.02, "finished": 0.5}


def write_shares(store: Store, measures: dict[str, float], rungs: tuple[str, ...]) -> None:
    about: dict[str, Any] = {"language": "L3", **TRUTH, "members": 12, "digest": "x"}
    rows = [
        {**about, "rung": rung, "split": split, "measure": measure, "source": source, **other}
        | {"share": share, "low": max(share - 0.1, 0), "high": min(share + 0.1, 1)}
        for rung in rungs
        for split in ("id", "ood")
        for measure, value in measures.items()
        for source, share, other in (
            ("architecture", value, CHOICE),
            ("residual", 1 - value, REST),
        )
    ]
    store.write_eval("attribution", pa.Table.from_pylist(rows, schemas()["attribution"]))


def test_divergences_come_first_and_rates_second(tmp_path: pathlib.Path) -> None:
    store = plant(tmp_path)
    write_shares(store, SHARES, ("0.1", "0.01"))
    report.write(tmp_path)
    check_page(store)
    page = read_page(store)
    page = page[page.index("What explains it") :]
    first = "architecture (with learning rate) 75% [65, 85], p ≤ 0.001. What is left is 25%"
    second = "the rate of R1, out of distribution at ε = 0.01 goes back to: architecture"
    assert 0 < page.index(first) < page.index(second)
    assert "(with learning rate) 0% [0, 8]" in page
    assert "n = 12 members" in page
    assert "251 prompts" not in page
    assert "200 prompts; a string is cut off at 32 symbols" in page
    assert "figures/attribution.L3.svg" in files_in(store.report_dir)
    rows = {
        (r["rung"], r["split"], r["measure"], r["source"]): r
        for r in read_csv(store, "attribution")
    }
    assert len(rows) == 2 * 2 * 5 * 2
    row = rows["0.01", "ood", "rate_R1", "architecture"]
    assert (float(row["share"]), float(row["low"]), row["df"]) == (-0.02, 0, "1")
    assert rows["0.1", "id", "churn", "residual"]["p"] == ""


def test_one_rung_has_no_figure_and_no_pairs_no_table_of_them(tmp_path: pathlib.Path) -> None:
    store = plant(tmp_path, pairwise=False)
    write_shares(store, {"finished": 0.5}, ("0.01",))
    report.write(tmp_path)
    check_page(store)
    assert "figures/attribution.L3.svg" not in files_in(store.report_dir)
    page = read_page(store)
    assert "the rate of finished completions, n = 12 members" in page
    assert "squared distance between two members" not in page


@pytest.mark.parametrize(
    ("ood", "said"), [(True, "no shares are given"), (False, "nothing can be explained")]
)
def test_where_there_is_nothing_the_page_says_why(
    ood: bool, said: str, tmp_path: pathlib.Path
) -> None:
    store = plant(tmp_path, seeds=1, architectures=("lstm",), ood=ood)
    report.write(tmp_path)
    check_page(store)
    assert said in read_page(store)
    assert read_csv(store, "attribution") == []
