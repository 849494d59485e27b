"""Scaled dot-product attention over rows, with what each query may see."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from identjax.models.base import Dropout
from identjax.models.layers import drop


class Sight(NamedTuple):
    """Which keys a query may attend to, [B, T, S], and what is added to its scores, [H, T, S]."""

    allowed: jax.Array
    bias: jax.Array | None

    def cut(self, start: int, stop: int) -> "Sight":
        """Give the queries of a block, with the keys up to its end."""
        bias = None if self.bias is None else self.bias[:, start:stop, :stop]
        return Sight(self.allowed[:, start:stop, :stop], bias)


def attend(
    q: jax.Array,
    k: jax.Array,
    v: jax.Array,
    sight: Sight,
    dropout: Dropout | None = None,
    site: int = 0,
) -> jax.Array:
    """Mix values [B, S, H, K] for queries [B, T, H, K]: softmax(q·k/√K + bias)·v."""
    scores = jnp.einsum("bthk,bshk->bhts", q * q.shape[-1] ** -0.5, k)
    if sight.bias is not None:
        scores = scores + sight.bias[None]
    scores = jnp.where(sight.allowed[:, None], scores, -1e30)
    # Divided after the product, where there are fewer numbers; the maximum cancels out.
    weights = jnp.exp(scores - lax.stop_gradient(scores.max(-1, keepdims=True)))
    mixed = jnp.einsum("bhts,bshk->bthk", drop(weights, dropout, site, 0), v)
    return mixed / jnp.moveaxis(weights.sum(-1), 1, 2)[..., None]
