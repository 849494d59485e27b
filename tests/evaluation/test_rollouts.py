"""Sequence KL by rollouts against a sum over all continuations."""

import numpy as np
import pytest

from identjax.evaluation.evaluate import evaluate
from identjax.evaluation.measures.rollouts import measure_rollouts
from tests.evaluation.harness import EOS, SPLIT, PlantedRun, pairs_at, rows
from tests.planted import LANG, off_law, plant

SHORT = off_law(LANG, a=0.05, b=0.05, eos=0.9)


def test_off_the_support_it_is_the_sum_over_steps():
    prompts = np.repeat(LANG.prompts("ood").tokens[-1:], 400, 0)
    stacks = {"g": (["m0", "m1"], plant([SPLIT, SHORT]))}
    value, stderr = measure_rollouts(pairs_at(stacks), prompts)
    p, q = np.exp(SPLIT), np.exp(SHORT)
    kept = p > 0
    per_step = (p[kept] * np.log(p[kept] / q[kept])).sum()
    back = (q[kept] * np.log(q[kept] / p[kept])).sum()
    # Four symbols are left; each step is taken if none before it ended the string. At the
    # maximum length the laws are compared once more.
    left = LANG.max_length - (prompts.shape[1] - 1)
    forth = per_step * sum(0.5**k for k in range(left + 1))
    assert value[0, 1] == pytest.approx(forth, abs=4 * stderr[0, 1])
    assert 0 < stderr[0, 1] < 0.05 * forth
    assert value[1, 0] == pytest.approx(back * sum(0.1**k for k in range(left + 1)), rel=0.1)
    assert value[0, 0] == value[1, 1] == 0


def test_members_of_several_groups_are_put_in_order():
    prompts = LANG.prompts("ood").tokens[:6]
    apart = {"x": (["m1"], plant([SHORT])), "y": (["m0", "m2"], plant([SPLIT, EOS]))}
    together = {"g": (["m0", "m1", "m2"], plant([SPLIT, SHORT, EOS]))}
    for one, other in zip(
        measure_rollouts(pairs_at(apart), prompts),
        measure_rollouts(pairs_at(together), prompts),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)
    # To say EOS at once is unlikely at most, to go on after it impossible.
    value, _ = measure_rollouts(pairs_at(together), prompts)
    assert value[2, 0] == pytest.approx(np.log(2))
    assert value[0, 2] == np.inf


def write(run):
    options = {"rollouts": {"prompts": 8}}
    return evaluate(run, say=lambda line: None, measures=["rollouts"], options=options)


def test_rollouts_are_written_once_and_only_where_they_are_asked_for(tmp_path):
    run = PlantedRun(tmp_path, {"m0": SPLIT, "m1": SHORT}, ["final"])
    evaluate(run, say=lambda line: None)
    assert run.evals("ablations/rollouts") is None
    assert write(run).paired == 2
    found = rows(run, "ablations/rollouts")
    assert len(found) == 4
    assert {(r["split"], r["measure"]) for r in found} == {
        ("id", "kl_rollout"),
        ("ood", "kl_rollout"),
    }
    assert all(r["value"] < 1e-6 for r in found if r["split"] == "id")
    assert write(run).paired == 0
