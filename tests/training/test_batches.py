"""Rows waste little, lose nothing, and mean the population loss."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from identjax import languages, models
from identjax.predictor import kl
from identjax.training.batches import (
    Batch,
    Draws,
    WholeSupport,
    draw_rows,
    fit,
    make_batches,
)
from identjax.training.loss import mean_nll


@pytest.mark.parametrize("packs", [True, False])
def test_every_string_stands_in_the_rows_once_with_its_weight(packs: bool) -> None:
    language = languages.make("L3", max_length=16)
    batch = make_batches(language, "support", 8, packs).draw(jax.random.key(0))
    found = {}
    for row in zip(*(np.asarray(leaf).tolist() for leaf in batch[:3]), strict=True):
        inputs, targets, weights = row
        starts = [t for t, token in enumerate(inputs) if token == language.vocabulary.bos]
        for start in starts:
            end = targets.index(language.vocabulary.eos, start)
            assert inputs[start + 1 : end + 1] == targets[start:end]
            found[language.vocabulary.decode(targets[start:end])] = weights[start : end + 1]
    assert found.keys() == {"a" * n + "b" * n for n in range(1, 9)}
    assert {round(w, 6) for ws in found.values() for w in ws} == {0.125}
    assert float(batch.weights_RxT.sum()) == pytest.approx(language.mean_targets)


def test_few_rows_stand_for_many_on_average() -> None:
    weights = np.arange(1.0, 7)[:, None] * np.ones((6, 2)) / 42
    whole = Batch(jnp.arange(12).reshape(6, 2), jnp.arange(12).reshape(6, 2), jnp.asarray(weights))
    assert draw_rows(whole, jax.random.key(0), 6) is whole
    sums = []
    for seed in range(64):
        drawn = draw_rows(whole, jax.random.key(seed), 2)
        rows = np.asarray(drawn.inputs_RxT)[:, 0] // 2
        assert len(set(rows)) == 2
        np.testing.assert_allclose(drawn.weights_RxT, 3 * weights[rows])
        sums.append(float(drawn.weights_RxT.sum()))
    assert np.mean(sums) == pytest.approx(1, abs=0.1)


def test_packing_fills_rows_and_never_overlaps() -> None:
    lengths = np.random.default_rng(0).integers(1, 20, 50)
    capacity = 24
    rows, places = fit(lengths, capacity, packs=True)
    used = np.zeros((rows, capacity), int)
    for length, (row, at) in zip(lengths, places, strict=True):
        assert at + length <= capacity
        used[row, at : at + length] += 1
    assert used.max() == 1
    assert used.mean() > 0.9


@pytest.mark.parametrize("architecture", ["transformer", "lstm"])
def test_the_loss_on_the_support_is_entropy_plus_kl(architecture: str) -> None:
    language = languages.make("L3", max_length=12)
    model = models.make(architecture, vocabulary=language.vocabulary, max_length=12)
    params = model.init(jax.random.key(1))
    batch = make_batches(language, "support", 8, packs=True).draw(jax.random.key(0))
    loss = mean_nll(model, params, batch, None, language.mean_targets)
    tokens, log_p = language.support()
    divergence = kl(language, model.bind(params), tokens, np.asarray(log_p, np.float32))
    expected = (language.entropy + divergence.value) / language.mean_targets
    assert float(loss) == pytest.approx(float(expected), rel=1e-5)


def test_draws_are_fixed_by_their_key_and_pad_is_no_target() -> None:
    language = languages.make("L1", max_length=16)
    batches = make_batches(language, "iid", 64, packs=True)
    assert isinstance(batches, Draws)
    first, again, other = (batches.draw(jax.random.key(seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.inputs_RxT, again.inputs_RxT)
    assert (np.asarray(first.inputs_RxT) != np.asarray(other.inputs_RxT)).any()
    counted = np.asarray(first.weights_RxT) > 0
    assert (np.asarray(first.targets_RxT)[~counted] == language.vocabulary.pad).all()
    assert set(np.asarray(first.weights_RxT)[counted].tolist()) == {1 / 64}


@pytest.mark.parametrize("name", ["L1", "L3"])
def test_strata_draw_from_the_law_in_rows_that_are_nearly_full(name: str) -> None:
    language = languages.make(name, max_length=16)
    size = 32
    batches = make_batches(language, "stratified", size, packs=True)
    symbols = 0
    draw = jax.jit(lambda key: batches.draw(key))
    for seed in range(50):
        inputs, targets, weights = (np.asarray(leaf) for leaf in draw(jax.random.key(seed))[:3])
        assert (inputs == language.vocabulary.bos).sum() == size
        assert (targets == language.vocabulary.eos).sum() == size
        assert ((weights > 0) == (targets != language.vocabulary.pad)).all()
        symbols += (targets < language.vocabulary.eos).sum()
        for row_inputs, row_targets in zip(inputs, targets, strict=True):
            for start in np.flatnonzero(row_inputs == language.vocabulary.bos):
                end = start + np.flatnonzero(row_targets[start:] == language.vocabulary.eos)[0]
                string = np.array([[language.vocabulary.bos, *row_targets[start : end + 1]]])
                assert language.possible(string.astype(np.int32)).all()
    mean = symbols / (50 * size) + 1
    assert mean == pytest.approx(language.mean_targets, rel=0.02)
    iid = size * (language.max_length + 1)
    assert inputs.size < 0.65 * iid


def test_a_small_support_is_used_whole() -> None:
    language = languages.make("L3", max_length=16)
    assert isinstance(make_batches(language, "support", 8, packs=True), WholeSupport)
