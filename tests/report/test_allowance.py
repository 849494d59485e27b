"""The key figure and the table of all prefixes, from planted rows."""

import pathlib
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from identjax import report
from identjax.evaluation.measure import schemas
from identjax.report.blocks.allowance import choose_rungs
from identjax.report.gather import gather
from identjax.report.headline import find
from identjax.store import Store
from tests.report.files import check_page, read_csv, read_page
from tests.report.planted import TRUTH, plant

Row = dict[str, Any]


def allowance_rows(rungs: Iterable[str], impossible: int) -> Iterator[Row]:
    """Contexts of probability 1, 1/2, …, of which each takes half of what is allowed."""
    for rung in rungs:
        epsilon = 0.5 if rung == "final" else float(rung)
        about = {"language": "L3", **TRUTH, "rung": rung}
        for k in range(12):
            here = about | {"split": "id", "context": "a" * k, "neg_log_p": k * np.log(2)}
            kl, tv = epsilon * 2.0**k, min(1.0, float(np.sqrt(2 * epsilon * 2.0**k)))
            kinds = {"members": (12, kl, 0.5), "pairs": (66, tv, None)}
            for kind, (n, bound, used) in kinds.items():
                values = {"median": bound / 4, "largest": bound / 2, "envelope": bound}
                yield here | {"kind": kind, "n": n, **values, "used": used}
        for k in range(impossible):
            here = about | {
                "split": "ood",
                "context": "b" * k,
                "neg_log_p": np.inf,
                "kind": "pairs",
            }
            yield here | {"n": 66, "median": 0.2, "largest": 0.9, "envelope": 1.0, "used": None}


def context_rows(store: Store, kept: Any) -> Iterator[Row]:
    table = store.read_eval("likelihood")
    assert table is not None
    for row in table.to_pylist():
        seed = int(row["member_id"][-2:])
        yield {
            **{name: row[name] for name in ("member_id", "rung")},
            "contexts": 153,
            "exact": True,
            "completed": 153,
            "kept": kept(seed),
            "possible": 0.99,
            "followed": 0.9,
            "leak": 0.01,
            "kl": 0.02,
            "js": 0.005,
        }


def write(store: Store, name: str, rows: Iterable[Row]) -> None:
    store.write_eval(name, pa.Table.from_pylist(list(rows), schemas()[name]))


@pytest.mark.parametrize("impossible", [0, 40])
def test_prompts_are_told_by_whether_the_loss_binds(
    impossible: int, tmp_path: pathlib.Path
) -> None:
    store = plant(tmp_path, ood=impossible > 0)
    write(store, "allowance", allowance_rows(("0.1", "0.01", "final"), impossible))
    written = report.write(tmp_path)
    check_page(store)
    page = read_page(store)
    # √(2 · 0.01 · 2^k) is below 1 up to k = 5, and half of it is reached.
    for part in (
        "At ε = 0.01, two members (66 pairs) differ in what they write next, in total variation,",
        "by up to 0.40 after 6 prompts probable enough for the loss to bound it (p(s) &gt; 2ε);",
        "by up to 0.50 after 6 prompts too improbable for that (p(s) ≤ 2ε)",
    ):
        assert part in page
    assert ("; by up to 0.90 after 40 prompts impossible (p(s) = 0)." in page) == (impossible > 0)
    half = "of up to 0.40 after prompts likelier than 2ε, and of up to 0.50 after rarer ones"
    assert (half in written.headline) == (impossible == 0)
    rows = read_csv(store, "allowance")
    assert {row["rung"] for row in rows} == {"0.1", "0.01"}
    assert len(rows) == 2 * (24 + impossible)
    assert (tmp_path / "report" / "figures" / "allowance.L3.svg").exists()


@pytest.mark.parametrize("rungs", [("final",), ("0.01",), ("1",)])
def test_any_rung_alone_is_drawn_or_left_out(rungs: tuple[str], tmp_path: pathlib.Path) -> None:
    store = plant(tmp_path)
    write(store, "allowance", allowance_rows(rungs, 3))
    report.write(tmp_path)
    check_page(store)
    assert ("How much the loss allows" in read_page(store)) == (rungs == ("0.01",))


@pytest.mark.parametrize("odd", [np.inf, 0.0, np.nan])
def test_odd_numbers_are_drawn(odd: float, tmp_path: pathlib.Path) -> None:
    store = plant(tmp_path)
    rows = [row | {"largest": odd, "median": odd} for row in allowance_rows(("0.01",), 2)]
    write(store, "allowance", rows)
    written = report.write(tmp_path)
    check_page(store)
    assert written.failures == ()


def test_the_rungs_of_the_figure_end_at_that_of_the_page() -> None:
    assert choose_rungs(["1", "0.1", "0.01", "final"], "0.1") == ["1", "0.1"]
    assert choose_rungs(["1", "final"], "final") == ["final"]
    assert choose_rungs(["@100"], "final") == []


def test_perfect_is_to_be_right_after_every_prefix(tmp_path: pathlib.Path) -> None:
    store = plant(tmp_path, seeds=8)
    write(store, "contexts", context_rows(store, lambda seed: 1.0 if seed < 3 else 0.999))
    (source,) = gather([tmp_path])
    # All 16 keep the rules on the judged prompts, and 12 of them are within ε.
    assert (find(source, "L3").close, find(source, "L3").perfect) == (12, 6)
    report.write(tmp_path)
    check_page(store)
    row = next(r for r in read_csv(store, "contexts") if (r["cell"], r["rung"]) == ("lstm", "0.01"))
    assert (row["n"], row["judged"], row["perfect"], row["kept"]) == ("8", "8", "3", "0.999")
    assert (row["possible"], row["leak"]) == ("0.99", "0.01")


def test_where_nothing_could_be_kept_nobody_is_perfect(tmp_path: pathlib.Path) -> None:
    store = plant(tmp_path, seeds=8)
    write(store, "contexts", context_rows(store, lambda seed: None))
    (source,) = gather([tmp_path])
    assert find(source, "L3").perfect is None
    report.write(tmp_path)
    check_page(store)
