"""A loss taken by blocks of rows is the loss of all rows, and so is its gradient."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from identjax import languages, models
from identjax.models.model import Dropout, Params
from identjax.training import loss as losses
from identjax.training.batches import Batch, make_batches
from identjax.training.loss import mean_nll

L3 = languages.make("L3", max_length=12)
OPTIONS = {"d_model": 4, "heads": 2, "ff": 4, "layers": 1}
MODEL = models.make("transformer", vocabulary=L3.vocabulary, max_length=12, **OPTIONS)


def one_string_a_row() -> Batch:
    return make_batches(L3, "support", 6, packs=False).draw(jax.random.key(0))


@functools.cache
def params() -> Params:
    return MODEL.init(jax.random.key(0))


def pull(batch: Batch, dropout: Dropout | None = None) -> list[np.ndarray]:
    loss = functools.partial(mean_nll, MODEL, batch=batch, dropout=dropout, mean_targets=2.0)
    return [np.asarray(x) for x in jax.tree.leaves(jax.jit(jax.value_and_grad(loss))(params()))]


def split_into(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a block have at most so many rows."""
    row = MODEL.row_floats(one_string_a_row().inputs_RxT.shape[1])
    monkeypatch.setattr(losses, "MOST_FLOATS", {"cpu": block * row})
    monkeypatch.setattr(losses, "MOST_FLOATS_ELSEWHERE", block * row)


def test_blocks_change_neither_the_loss_nor_its_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = pull(one_string_a_row())
    split_into(4, monkeypatch)
    for one, other in zip(pull(one_string_a_row()), whole, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_equal_rows_are_cut_differently_in_each_block(monkeypatch: pytest.MonkeyPatch) -> None:
    row = jax.tree.map(lambda x: x[-1:], one_string_a_row())
    split_into(1, monkeypatch)
    nll = functools.partial(mean_nll, MODEL, params(), mean_targets=2.0)
    rate, key = jnp.float32(0.5), jax.random.key(1)
    alone = [float(nll(row, Dropout(rate, jax.random.fold_in(key, i)))) for i in range(2)]
    both = nll(jax.tree.map(lambda x: jnp.repeat(x, 2, 0), row), Dropout(rate, key))
    assert alone[0] != alone[1]
    assert float(both) == pytest.approx(sum(alone), rel=1e-5)


@pytest.mark.parametrize(("count", "floats", "block"), [(8, 0, 8), (8, 300, 2), (7, 300, 1)])
def test_a_block_is_the_largest_divisor_with_room(
    count: int, floats: int, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(losses, "MOST_FLOATS", {"cpu": 1000})
    monkeypatch.setattr(losses, "MOST_FLOATS_ELSEWHERE", 1000)
    assert losses.find_block(count, floats) == block
