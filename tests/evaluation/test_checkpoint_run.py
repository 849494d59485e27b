"""Checkpoints that no sweep wrote."""

import jax
import numpy as np
import pytest
from orbax.checkpoint import v1 as ocp

from identjax import languages, models
from identjax.errors import ConfigError
from identjax.evaluation.checkpoint_run import CheckpointRun
from identjax.evaluation.evaluate import evaluate

OPTIONS = {"hidden": 4, "embedding": 4}
LANG = languages.make("L3", 8)
MODEL = models.make("lstm", vocabulary=LANG.vocabulary, max_length=8, **OPTIONS)


def params_of(seed):
    return jax.tree.map(np.asarray, MODEL.init(jax.random.key(seed)))


def open_run(checkpoint, workdir, **changes):
    choices = {"model_options": OPTIONS} | changes
    return CheckpointRun(str(checkpoint), str(workdir), "L3", "lstm", max_length=8, **choices)


@pytest.mark.parametrize("wrap", [lambda p: p, lambda p: {"step": np.array(3), "params": p}])
def test_one_member_alone_or_in_a_train_state(tmp_path, wrap):
    ocp.save(tmp_path / "c", wrap(params_of(1)))
    run = open_run(tmp_path / "c", tmp_path / "out")
    ((ids, stack),) = run.predictors().values()
    tokens = LANG.prompts("id").tokens
    one = jax.tree.map(lambda leaf: leaf[0], stack)
    np.testing.assert_array_equal(one.score(tokens), MODEL.bind(params_of(1)).score(tokens))
    assert len(ids) == run.members().num_rows == 1


def test_the_newest_of_numbered_checkpoints_and_a_stack(tmp_path):
    stacked = jax.tree.map(lambda *leaves: np.stack(leaves), params_of(1), params_of(2))
    ocp.save(tmp_path / "c" / "2", params_of(1))
    ocp.save(tmp_path / "c" / "10", {"params": stacked})
    run = open_run(tmp_path / "c", tmp_path / "out")
    assert run.members().num_rows == 2
    outcome = evaluate(run, say=lambda line: None)
    assert outcome.evaluated == 2
    kl = run.store.read_eval("likelihood")["kl_nats"].to_pylist()
    assert all(np.isfinite(kl))
    assert kl[0] != kl[1]
    again = open_run(tmp_path / "c", tmp_path / "out")
    assert evaluate(again, say=lambda line: None).evaluated == 0


def test_what_cannot_be_used_is_said(tmp_path):
    with pytest.raises(ConfigError, match="the folder of an orbax checkpoint"):
        open_run(tmp_path / "none", tmp_path / "out")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="that orbax can read"):
        open_run(tmp_path / "empty", tmp_path / "out")
    ocp.save(tmp_path / "c", params_of(1))
    with pytest.raises(ConfigError, match=r"this model's [0-9]+ parameters"):
        open_run(tmp_path / "c", tmp_path / "out", model_options={"hidden": 5, "embedding": 4})
