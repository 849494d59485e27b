"""Rows of pairs as matrices, and as panels of the members that every rung has."""

import itertools

import numpy as np
import pyarrow as pa

from identjax.evaluation.pair_tables import make_matrix, make_panel

RUNGS = ("1", "0.1", "0.01")
MEMBERS = [f"m{i}" for i in range(8)]


def pairwise(members, rungs=RUNGS):
    """A divergence for each pair, rung and split: the sum of the members' numbers times ε."""
    scale = {"final": 7.0, "@20": 7.0}
    rows = [
        {"rung": rung, "split": split, "measure": measure, "member_a": a, "member_b": b}
        | {
            "value": float(scale.get(rung, rung))
            * (int(a[1:]) + int(b[1:]))
            * (2 if split == "ood" else 1)
        }
        for rung in rungs
        for split in ("id", "ood")
        for measure in ("js_next", "tv_next")
        for a, b in itertools.combinations(members, 2)
    ]
    return pa.Table.from_pylist(rows)


def test_a_panel_has_the_values_of_every_rung_on_and_off_the_support():
    panel = make_panel(pairwise(MEMBERS, (*RUNGS[::-1], "final", "@20")), MEMBERS)
    assert panel.epsilons.tolist() == [1, 0.1, 0.01]
    numbers = np.arange(8)
    sums = (numbers[:, None] + numbers[None, :]).astype(float)
    np.fill_diagonal(sums, np.nan)
    for at, epsilon in enumerate(panel.epsilons):
        np.testing.assert_allclose(panel.on[at], epsilon * sums)
        np.testing.assert_allclose(panel.off[at], 2 * epsilon * sums)


def test_only_members_that_have_every_rung_are_followed():
    few = pairwise(["m8", *MEMBERS], rungs=("1",))
    rare = pairwise(MEMBERS[:2], rungs=("0.001",))
    panel = make_panel(pa.concat_tables([pairwise(MEMBERS), few, rare]), [*MEMBERS, "m8"])
    assert panel.members == MEMBERS
    assert panel.epsilons.tolist() == [1, 0.1, 0.01]


def test_nothing_gives_an_empty_panel():
    panel = make_panel(pairwise(MEMBERS).slice(0, 0), MEMBERS)
    assert (panel.members, panel.on.shape, panel.off.shape) == ([], (0, 0, 0), (0, 0, 0))


def test_a_matrix_of_a_symmetric_measure_is_filled_from_both_sides():
    rows = {"member_a": ["a", "a"], "member_b": ["b", "c"], "value": [1.0, 2.0]}
    found = make_matrix(pa.table(rows), ["a", "b", "c"])
    assert found[0, 1] == found[1, 0] == 1
    assert found[2, 0] == 2
    assert np.isnan(found[1, 2])
