"""The index on curves whose slopes are known."""

import itertools

import numpy as np
import pytest

from identjax.evaluation.eval_tables import join_rows, make_rows
from identjax.statistics.identifiability import make_matrix, make_panel, measure_index

RUNGS = ("1", "0.1", "0.01")


def pairwise(members, slope_id, slope_ood, rungs=RUNGS, spread=0.0, measure="js_next"):
    """Divergences that fall as ε to the power of a slope, with a factor for each pair."""
    rng = np.random.default_rng(0)
    pairs = list(itertools.combinations(members, 2))
    factor = np.exp(spread * rng.normal(size=len(pairs)))
    tables = []
    for rung, (split, slope) in itertools.product(rungs, [("id", slope_id), ("ood", slope_ood)]):
        values = 0.5 * factor * float(rung) ** slope
        a, b = zip(*pairs, strict=True)
        keys = {"language": "L3", "rung": rung, "split": split, "measure": measure}
        tables.append(
            make_rows("pairwise", {**keys, "member_a": a, "member_b": b, "value": values})
        )
    return join_rows("pairwise", tables)


MEMBERS = [f"m{i}" for i in range(8)]


@pytest.mark.parametrize(("slope_ood", "index"), [(1.0, 1.0), (0.0, 0.0), (-0.2, -0.2), (0.5, 0.5)])
def test_the_index_is_the_ratio_of_the_slopes(slope_ood, index):
    found = measure_index(make_panel(pairwise(MEMBERS, 1.0, slope_ood), MEMBERS), resamples=50)
    assert found.slope_id == pytest.approx(1)
    assert found.index.value == pytest.approx(index, abs=1e-9)
    assert found.index.n == 8
    assert found.residual.value == pytest.approx(0.5 * 0.01**slope_ood / np.log(2))
    assert found.rungs == RUNGS


def test_the_interval_holds_the_estimate():
    table = pairwise(MEMBERS, 1.0, 0.3, spread=0.5)
    rng = np.random.default_rng(1)
    noisy = table.set_column(
        table.schema.get_field_index("value"),
        "value",
        [table["value"].to_numpy() * np.exp(0.3 * rng.normal(size=table.num_rows))],
    )
    found = measure_index(make_panel(noisy, MEMBERS), resamples=200)
    assert found.index.low < found.index.value < found.index.high
    assert found.index.low < 0.3 < found.index.high


def test_only_members_that_have_every_rung_are_followed():
    whole = pairwise(MEMBERS, 1.0, 0.5)
    few = pairwise(["m8", *MEMBERS], 1.0, 0.0, rungs=("1",))
    rare = pairwise(MEMBERS[:2], 1.0, 0.5, rungs=("0.001",))
    panel = make_panel(join_rows("pairwise", [whole, few, rare]), [*MEMBERS, "m8"])
    assert panel.members == MEMBERS
    assert panel.epsilons.tolist() == [1, 0.1, 0.01]


def test_too_little_gives_no_index():
    short = measure_index(make_panel(pairwise(MEMBERS, 1, 1, rungs=("1", "0.1")), MEMBERS))
    few = measure_index(make_panel(pairwise(MEMBERS[:3], 1, 1), MEMBERS[:3]))
    none = measure_index(make_panel(join_rows("pairwise", []), MEMBERS))
    for found in (short, few, none):
        assert np.isnan(found.index.value)


def test_a_matrix_of_a_symmetric_measure_is_filled_from_both_sides():
    table = make_rows(
        "pairwise",
        {
            "language": "L3",
            "rung": "1",
            "split": "id",
            "measure": "churn",
            "member_a": ["a", "a"],
            "member_b": ["b", "c"],
            "value": [1.0, 2.0],
        },
    )
    found = make_matrix(table, ["a", "b", "c"])
    assert found[0, 1] == found[1, 0] == 1
    assert found[2, 0] == 2
    assert np.isnan(found[1, 2])
