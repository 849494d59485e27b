"""Pairwise measures against their definitions, written out one pair at a time."""

import numpy as np
import pytest

from identjax.evaluation.divergences import (
    measure_churn,
    measure_divergences,
    measure_profile,
    sample_members,
)


def draw_laws(m, k, v, seed=0):
    logits = np.random.default_rng(seed).normal(size=(m, k, v))
    return logits - np.log(np.exp(logits).sum(-1, keepdims=True))


def divergence(a, b, weights, name):
    mean = (a + b) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = {
            "kl": np.where(a > 0, a * np.log(a / b), 0),
            "js": np.where(a > 0, a * np.log(a / mean), 0) / 2
            + np.where(b > 0, b * np.log(b / mean), 0) / 2,
            "tv": np.abs(a - b) / 2,
        }
    return (weights * terms[name].sum(-1)).sum()


@pytest.mark.parametrize("name", ["kl", "js", "tv"])
@pytest.mark.parametrize("m", [2, 5, 33, 70])
def test_divergences_are_as_defined_for_every_pair(name, m):
    log_p, weights = draw_laws(m, 4, 3), np.array([0.5, 0.25, 0.125, 2.0])
    found = getattr(measure_divergences(log_p.astype(np.float32), weights), name)
    p = np.exp(log_p)
    wanted = [[divergence(a, b, weights, name) for b in p] for a in p]
    np.testing.assert_allclose(found, wanted, atol=3e-6)


def test_many_positions_are_summed_over_blocks():
    log_p, weights = draw_laws(3, 9000, 3), np.full(9000, 1 / 9000)
    found = measure_divergences(log_p, weights)
    p = np.exp(log_p)
    assert found.kl[0, 1] == pytest.approx(divergence(p[0], p[1], weights, "kl"), rel=1e-6)
    assert found.js[0, 1] == pytest.approx(divergence(p[0], p[1], weights, "js"), rel=1e-5)
    assert found.tv[0, 1] == pytest.approx(divergence(p[0], p[1], weights, "tv"), rel=1e-5)


def test_tiny_divergences_keep_their_digits():
    base = np.log(np.array([[0.3, 0.7]]))
    near = np.log(np.array([[0.3 + 1e-4, 0.7 - 1e-4]]))
    log_p, weights = np.stack([base, near]).astype(np.float32), np.ones(1)
    found = measure_divergences(log_p, weights)
    p = np.exp(log_p.astype(np.float64))
    assert found.js[0, 1] == pytest.approx(divergence(p[0], p[1], weights, "js"), rel=0.02)
    assert found.kl[0, 1] == pytest.approx(divergence(p[0], p[1], weights, "kl"), rel=0.02)


def test_identical_members_do_not_differ():
    log_p = np.repeat(draw_laws(1, 6, 4).astype(np.float32), 3, 0)
    found = measure_divergences(log_p, np.ones(6))
    for matrix in (found.kl, found.js, found.tv):
        assert matrix.max() < 1e-12


def test_impossible_tokens():
    with np.errstate(divide="ignore"):
        log_p = np.log(np.array([[[0.5, 0.5, 0.0]], [[1.0, 0.0, 0.0]], [[0.0, 1.0, 0.0]]]))
    found = measure_divergences(log_p, np.ones(1))
    assert found.kl[1, 0] == pytest.approx(np.log(2))
    assert found.kl[0, 1] == found.kl[1, 2] == np.inf
    assert found.js[1, 2] == pytest.approx(np.log(2), abs=1e-5)
    assert found.tv[1, 2] == pytest.approx(1)
    half = np.log(4 / 3) / 2 + (np.log(2 / 3) + np.log(2)) / 4
    assert found.js[0, 1] == pytest.approx(half, abs=1e-5)


def test_churn_counts_prompts_that_differ():
    labels = np.array([[0, 1, 2, 3], [0, 1, 2, 3], [9, 1, 8, 3]])
    np.testing.assert_array_equal(measure_churn(labels), [[0, 0, 0.5], [0, 0, 0.5], [0.5, 0.5, 0]])


def test_profile_leaves_out_rules_without_a_rate():
    rates = np.array([[1.0, np.nan, 0.0], [0.0, np.nan, 0.5]])
    assert measure_profile(rates)[0, 1] == 0.75
    assert measure_profile(np.full((2, 3), np.nan))[0, 1] == 0


def test_a_sample_of_members_is_even_over_cells_and_always_the_same():
    ids = [f"m{i:03d}" for i in range(40)]
    cells = ["big"] * 30 + ["small"] * 10
    chosen = sample_members(cells, ids, most=20)
    assert [cells[row] for row in chosen].count("small") == 10
    backwards = sample_members(cells[::-1], ids[::-1], most=20)
    assert {ids[::-1][row] for row in backwards} == {ids[row] for row in chosen}
    assert len(sample_members(cells, ids, most=100)) == 40
