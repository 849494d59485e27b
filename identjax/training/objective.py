"""Objectives: what a member minimises."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from identjax.models.base import Dropout, Model, Params, mask
from identjax.registry import Registry
from identjax.training.batches import Batch

Objective = Callable[[Model, Params, Batch, Dropout | None, float], jax.Array]
OBJECTIVES: Registry[Objective] = Registry("objective")


@OBJECTIVES.register("mle")
def mean_nll(
    model: Model, params: Params, batch: Batch, dropout: Dropout | None, mean_targets: float
) -> jax.Array:
    """Maximum likelihood: −Σ w log q(target) over the language's mean number of targets.

    The constant keeps the optimum at the truth; dividing by the batch's own number of targets
    would not. In expectation this is the population loss in nats per target.
    """
    logits_RxTxV = model.logits(params, batch.inputs_RxT, dropout)
    log_q_RxTxV = mask(logits_RxTxV, model.vocabulary)
    counted_RxT = batch.weights_RxT > 0
    targets_RxT = jnp.where(counted_RxT, batch.targets_RxT, 0)
    hit_RxTxV = targets_RxT[..., None] == jnp.arange(model.vocabulary.size)[None, None]
    # A sum under a mask, because the gradient of a gather is a scatter, slow on every device.
    log_q_RxT = jnp.sum(jnp.where(hit_RxTxV, log_q_RxTxV, 0), -1)
    return -jnp.sum(jnp.where(counted_RxT, batch.weights_RxT * log_q_RxT, 0)) / mean_targets
