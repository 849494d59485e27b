"""The loss of rows of targets, so many rows at a time that what a step makes fits a cache."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from identjax.models.model import Dropout, Model, Params, mask
from identjax.training.batches import Batch
from identjax.vocabulary import Vocabulary

RowLoss = Callable[[Params, Batch, Dropout | None], jax.Array]
# The most numbers in one array. A core has a megabyte or two of cache; an accelerator wants large
# products, and has less to gain.
MOST_FLOATS = {"cpu": 1 << 18}
MOST_FLOATS_ELSEWHERE = 1 << 24


def mean_nll(
    model: Model, params: Params, batch: Batch, dropout: Dropout | None, mean_targets: float
) -> jax.Array:
    """Maximum likelihood: −Σ w log q(target) over the language's mean number of targets.

    The constant keeps the optimum at the truth; dividing by the batch's own number of targets
    would not. In expectation this is the population loss in nats per target. Where a batch has
    laws, they stand in the place of the targets: −Σ w Σ_v law(v) log q(v).
    """
    total_nll = functools.partial(_total_nll, model)
    return sum_by_rows(total_nll, params, batch, dropout, model.row_floats) / mean_targets


def _total_nll(model: Model, params: Params, batch: Batch, dropout: Dropout | None) -> jax.Array:
    logits_RxTxV = model.logits(params, batch.inputs_RxT, dropout)
    log_q_RxTxV = mask(logits_RxTxV, model.vocabulary)
    counted_RxT = batch.weights_RxT > 0
    # A sum under a mask, because the gradient of a gather is a scatter, slow on every device.
    if batch.laws_RxTxV is None:
        targets_RxT = jnp.where(counted_RxT, batch.targets_RxT, 0)
        hit_RxTxV = targets_RxT[..., None] == jnp.arange(model.vocabulary.size)[None, None]
        log_q_RxT = jnp.sum(jnp.where(hit_RxTxV, log_q_RxTxV, 0), -1)
    else:
        law_RxTxV = batch.laws_RxTxV
        log_q_RxT = jnp.sum(law_RxTxV * jnp.where(law_RxTxV > 0, log_q_RxTxV, 0), -1)
    return -jnp.sum(jnp.where(counted_RxT, batch.weights_RxT * log_q_RxT, 0))


def mislabel(key: jax.Array, batch: Batch, rate: jax.Array, vocabulary: Vocabulary) -> Batch:
    """Replace each target with probability `rate` by a uniform draw from the symbols and EOS."""
    shape = batch.targets_RxT.shape
    wrong_RxT = jax.random.bernoulli(jax.random.fold_in(key, 0), rate, shape)
    drawn_RxT = jax.random.randint(jax.random.fold_in(key, 1), shape, 0, vocabulary.eos + 1)
    wrong_RxT &= batch.weights_RxT > 0
    return batch._replace(targets_RxT=jnp.where(wrong_RxT, drawn_RxT, batch.targets_RxT))


def sum_by_rows(
    loss_of: RowLoss,
    params: Params,
    batch: Batch,
    dropout: Dropout | None,
    row_floats: Callable[[int], int],
) -> jax.Array:
    """Add up a loss over blocks of rows; what dropout cuts differs from block to block."""
    rows, length = batch.inputs_RxT.shape
    size = find_block(rows, row_floats(length))
    if size == rows:
        return loss_of(params, batch, dropout)
    count = rows // size
    blocks = jax.tree.map(lambda x: x.reshape(count, size, *x.shape[1:]), batch)
    rate, keys = None, None
    if dropout is not None:
        rate, fold = dropout.rate, jax.vmap(jax.random.fold_in, (None, 0))
        keys = fold(dropout.key, jnp.arange(count))
    return _add_up(loss_of, params, rate, (blocks, keys))


def find_block(rows: int, row_floats: int) -> int:
    """Give the largest divisor of the number of rows that keeps the arrays of a block small."""
    most = MOST_FLOATS.get(jax.default_backend(), MOST_FLOATS_ELSEWHERE) // max(row_floats, 1)
    return max(n for n in range(1, rows + 1) if rows % n == 0 and n <= max(most, 1))


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _add_up(loss_of: RowLoss, params: Params, rate: Any, blocks: Any) -> jax.Array:
    def step(total: jax.Array, block: Any) -> tuple[jax.Array, None]:
        return total + loss_of(params, *_open(rate, *block)), None

    return lax.scan(step, _zero(params), blocks)[0]


def _open(rate: Any, batch: Batch, key: Any) -> tuple[Batch, Dropout | None]:
    return batch, None if key is None else Dropout(rate, key)


def _add_up_forward(loss_of: RowLoss, params: Params, rate: Any, blocks: Any) -> Any:
    """Take each block's gradient beside its loss, so that nothing is kept for later."""

    def step(totals: Any, block: Any) -> tuple[Any, None]:
        found = jax.value_and_grad(loss_of)(params, *_open(rate, *block))
        return jax.tree.map(jnp.add, totals, found), None

    zeros = _zero(params), jax.tree.map(jnp.zeros_like, params)
    return lax.scan(step, zeros, blocks)[0]


def _zero(params: Params) -> jax.Array:
    return jnp.zeros((), jax.tree.leaves(params)[0].dtype)


def _add_up_backward(loss_of: RowLoss, grads: Params, pull: jax.Array) -> Any:
    return jax.tree.map(lambda leaf: leaf * pull, grads), None, None


_add_up.defvjp(_add_up_forward, _add_up_backward)
