"""Scaled dot-product attention over rows, with what each query may see."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from identjax.models.model import Dropout
from identjax.models.parts.dropout import drop


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
    """Mix values [B, S, H, K] for queries [B, T, H, K]: softmax(q·k/√K + bias)·v.

    Inside, tokens come last and scores are [B, H, S, T]: heads are narrow, so the products and the
    sums over keys then run along rows.
    """
    q, k, v = (jnp.moveaxis(x, 1, -1) for x in (q * q.shape[-1] ** -0.5, k, v))
    scores = compare(k, q)
    if sight.bias is not None:
        scores = scores + jnp.swapaxes(sight.bias, 1, 2)[None]
    scores = jnp.where(jnp.swapaxes(sight.allowed, 1, 2)[:, None], scores, -1e30)
    # Divided after the product, where there are fewer numbers; the maximum cancels out.
    weights = jnp.exp(scores - lax.stop_gradient(scores.max(-2, keepdims=True)))
    mixed = blend(v, drop(weights, dropout, site, 0)) / weights.sum(-2, keepdims=True)
    return jnp.moveaxis(mixed, -1, 1)


def attend_last(
    q_HxK: jax.Array, keys_HxKxS: jax.Array, values_HxKxS: jax.Array, sight: Sight
) -> jax.Array:
    """Mix cached values for one query, [H, K]; tokens come last, as they lie in the cache."""
    scores_HxS = jnp.einsum("hks,hk->hs", keys_HxKxS, q_HxK * q_HxK.shape[-1] ** -0.5)
    if sight.bias is not None:
        scores_HxS = scores_HxS + sight.bias[:, 0]
    scores_HxS = jnp.where(sight.allowed[0], scores_HxS, -1e30)
    weights_HxS = jnp.exp(scores_HxS - scores_HxS.max(-1, keepdims=True))
    mixed_HxK = jnp.einsum("hks,hs->hk", values_HxKxS, weights_HxS)
    return mixed_HxK / weights_HxS.sum(-1, keepdims=True)


@jax.custom_vjp
def compare(k: jax.Array, q: jax.Array) -> jax.Array:
    """Multiply keys [B, H, K, S] and queries [B, H, K, T] to [B, H, S, T]."""
    return jnp.einsum("bhks,bhkt->bhst", k, q)


@jax.custom_vjp
def blend(v: jax.Array, weights: jax.Array) -> jax.Array:
    """Add up values [B, H, K, S] by weights [B, H, S, T] to [B, H, K, T]."""
    return jnp.einsum("bhks,bhst->bhkt", v, weights)


def _blend_back(weights: jax.Array, x: jax.Array) -> jax.Array:
    """Add up [B, H, K, T] by weights [B, H, S, T] to [B, H, K, S]."""
    found = jnp.einsum("bhst,bhkt->bhsk", weights, x)
    # Without the barrier XLA would turn the product round, and spend 3 times as long on it.
    return jnp.swapaxes(lax.optimization_barrier(found), -1, -2)


compare.defvjp(
    lambda k, q: (compare(k, q), (k, q)),
    lambda read, pull: (_blend_back(pull, read[1]), blend(read[0], pull)),
)
blend.defvjp(
    lambda v, weights: (blend(v, weights), (v, weights)),
    lambda read, pull: (_blend_back(read[1], pull), compare(read[0], pull)),
)
