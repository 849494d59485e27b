"""The loss of rows of targets, and targets that are wrong on purpose."""

import functools

import jax
import jax.numpy as jnp

from identjax.models.model import Dropout, Model, Params, mask
from identjax.training.batches import Batch
from identjax.training.rows import sum_by_rows
from identjax.vocabulary import Vocabulary


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
