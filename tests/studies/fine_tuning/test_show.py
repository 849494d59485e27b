"""The page of members that start as one function: the rate is chosen elsewhere, nothing is lost."""

import pathlib
from typing import Any

import pyarrow as pa
import pytest

from identjax import languages, report
from identjax.store import Store
from tests.report.files import check_page, read_csv, read_page
from tests.report.planted import make_member, make_rule_row, plant

RATES = (0.1, 0.3, 0.9)
CHANGES = [("rescale", 0.25, 0), ("rescale", 1.0, 0), ("rescale", 4.0, 0), ("rescale", 100.0, 0)]
CHANGES += [("query_key", 0.25, 0), ("query_key", 4.0, 0)]
CHANGES += [("permute", 1.0, 1), ("permute", 1.0, 2)]
STEPS = 500


def tuned(seed: int, rate: float, change: str, alpha: float, number: int, role: str) -> Any:
    status = "diverged" if alpha == 100 else "done"
    return make_member("L3", "transformer", "sgd", seed, status) | {
        "member_id": f"{seed}-{rate}-{change}-{alpha}-{number}",
        "learning_rate": rate,
        "start_digest": f"digest{seed}",
        "change": change,
        "alpha": alpha,
        "change_seed": number,
        "role": role,
        "budget": STEPS,
        "steps": 30 if alpha == 100 else STEPS,
    }


def final_kl(member: dict[str, Any]) -> float:
    """Of the first two rates .1 is the better one on the seed that chooses, .3 on the others.

    The last is the best for all, but halfway a permutation moves the loss there.
    """
    rate = member["learning_rate"]
    better = rate == (0.1 if member["role"] == "select" else 0.3)
    level = 1.0 if rate == 0.9 else 2.0 if better else 4.0
    moved = 1e-6 * member["change_seed"]
    return level * member["alpha"] * (1 + member["init_seed"] / 10) + moved


def curve_rows(member: dict[str, Any]) -> list[tuple[str, int, str, float]]:
    own = member["member_id"]
    rows = [
        (own, 0, "kl_nats", 9.0),
        (own, 0, "start_kl_nats", 1e-9 * member["alpha"]),
        (own, 0, "start_logits", 2e-6 * member["alpha"]),
    ]
    if member["status"] == "diverged":
        return [*rows, (own, 30, "kl_nats", 1e9)]
    jumps = member["learning_rate"] == 0.9 and member["change_seed"] == 2
    halfway = 6.0 + (0.1 if jumps else 0.0)
    rows += [(own, STEPS // 2, "kl_nats", halfway), (own, STEPS, "kl_nats", final_kl(member))]
    return rows


def plant_tuned(workdir: pathlib.Path, rates: tuple[float, ...] = RATES) -> Store:
    store = plant(workdir, architectures=("transformer",), seeds=2)
    controls = [("none", 1.0, 0), *CHANGES[-2:]]
    select = [tuned(0, rate, *c, "select") for rate in rates for c in controls]
    shown = [tuned(seed, rate, *c, "report") for seed in (1, 2) for rate in rates for c in CHANGES]
    members = select + shown
    store.write_members(pa.Table.from_pylist(members))
    names = ["member_id", "step", "metric", "value"]
    rows = [dict(zip(names, row, strict=True)) for m in members for row in curve_rows(m)]
    store.write_part("curves", "tuned", 0, 1, pa.Table.from_pylist(rows))
    rules = [make_rule_row(m, "final", "ood", "R1", 1 / (1 + m["alpha"]), 200) for m in members]
    store.write_eval("rules", pa.Table.from_pylist(rules))
    likelihood = [
        {"member_id": m["member_id"], "rung": "final", "step": 1, "kl_nats": 1.0, "kl_stderr": 0.0}
        for m in members
    ]
    store.write_eval("likelihood", pa.Table.from_pylist(likelihood))
    return store


def test_losses_are_compared_at_the_rate_that_other_seeds_chose(tmp_path: pathlib.Path) -> None:
    store = plant_tuned(tmp_path)
    report.write(tmp_path)
    rows = {(r["change"], float(r["alpha"])): r for r in read_csv(store, "fine_tuning")}
    assert {row["learning_rate"] for row in rows.values()} == {"0.1"}
    assert len(rows) == 7
    floor = languages.make("L3", 32).entropy
    ratios = [(4.0 * (1 + s / 10) * 4 + floor) / (4.0 * (1 + s / 10) + floor) for s in (1, 2)]
    row = rows["rescale", 4.0]
    assert [float(row["ratio_low"]), float(row["ratio_high"])] == pytest.approx(ratios)
    assert float(row["rate_ood"]) == pytest.approx(1 / 5)
    assert (float(row["start_kl_nats"]), float(row["start_logits"])) == (4e-9, 8e-6)
    row = rows["rescale", 1.0]
    assert (float(row["ratio_low"]), float(row["ratio_high"])) == (1.0, 1.0)
    assert (row["members"], row["diverged"], row["step"]) == ("2", "0", "500")
    row = rows["permute", 1.0]
    assert (row["members"], row["starts"]) == ("4", "2")
    assert 0 < float(row["ratio_high"]) - 1 < 1e-5


def test_a_member_that_diverged_is_said_to_have_diverged(tmp_path: pathlib.Path) -> None:
    store = plant_tuned(tmp_path)
    report.write(tmp_path)
    (row,) = [r for r in read_csv(store, "fine_tuning") if r["alpha"] == "100.0"]
    assert (row["diverged"], row["members"], row["loss"], row["ratio"]) == ("2", "2", "", "")
    page = read_page(store)
    assert "the best at α = 1 on 1 other start, of the 2 of 3 rates at which" in page
    assert "2 of 16 members diverged." in page
    curves = [r for r in read_csv(store, "fine_tuning_curves") if r["alpha"] == "100.0"]
    assert curves == []


def test_the_page_has_a_section_only_where_starts_were_changed(tmp_path: pathlib.Path) -> None:
    changed, plain = plant_tuned(tmp_path / "changed"), plant(tmp_path / "plain")
    for store in (changed, plain):
        report.write(store.workdir)
    check_page(changed)
    assert "One function, several parameters" in read_page(changed)
    assert "One function, several parameters" not in read_page(plain)
    rates = read_csv(changed, "fine_tuning_rates")
    found = {(r["learning_rate"], r["steady"], r["chosen"]) for r in rates}
    assert found == {
        ("0.1", "True", "True"),
        ("0.3", "True", "False"),
        ("0.9", "False", "False"),
    }
    folder = changed.workdir / "report" / "figures"
    figures = {path.name for path in folder.iterdir()}
    assert {"tuning.L3.sgd.svg", "tuning-loss.L3.svg", "tuning-rates.L3.svg"} <= figures
    # A panel for each change made by several α; a permutation is in them all.
    curves = (folder / "tuning.L3.sgd.svg").read_text()
    words = ("feed-forward nets", "queries and keys", "permuted units", "α = 1<", "α = 4<")
    assert [word for word in words if word not in curves] == []
    assert "values and outputs" not in curves


def test_where_no_rate_is_steady_the_best_is_chosen_all_the_same(tmp_path: pathlib.Path) -> None:
    store = plant_tuned(tmp_path, rates=(0.9,))
    report.write(tmp_path)
    assert {r["learning_rate"] for r in read_csv(store, "fine_tuning")} == {"0.9"}
    assert "though permutations move the loss there at every rate" in read_page(store)
