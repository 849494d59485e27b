"""How a Transformer knows where a token stands: sinusoids, rotations, biases by distance."""

import jax
import jax.numpy as jnp
import numpy as np


def _angles(position: jax.Array, width: int, dtype: jax.typing.DTypeLike) -> jax.Array:
    rates = np.exp(-np.log(10_000.0) * np.arange(0, width, 2) / width)
    rates = rates.reshape((1,) * position.ndim + (-1,)).astype(dtype)
    return position[..., None].astype(dtype) * rates


def sinusoids(position: jax.Array, width: int, dtype: jax.typing.DTypeLike) -> jax.Array:
    """Sines and cosines in turn, at rates 10000^(−2i/width) (Vaswani et al. 2017)."""
    angles = _angles(position, width, dtype)
    return jnp.stack([jnp.sin(angles), jnp.cos(angles)], -1).reshape(*position.shape, width)


def rotate(x: jax.Array, position: jax.Array) -> jax.Array:
    """Rotate pairs of [..., H, K] by angles that grow with position [...] (Su et al. 2021)."""
    angles = _angles(position, x.shape[-1], x.dtype)[..., None, :]
    sin, cos = jnp.sin(angles), jnp.cos(angles)
    first, second = jnp.split(x, 2, -1)
    return jnp.concatenate([first * cos - second * sin, second * cos + first * sin], -1)


def bias_linearly(distance: jax.Array, heads: int, dtype: jax.typing.DTypeLike) -> jax.Array:
    """ALiBi: −2^(−8(h+1)/H) times the distance [T, S], as [H, T, S] (Press et al. 2022)."""
    slopes_H = jnp.asarray(2.0 ** (-8 * (np.arange(heads) + 1) / heads), dtype)
    return -slopes_H[:, None, None] * distance.astype(dtype)[None]


def bias_by_bucket(distance: jax.Array, table_KxH: jax.Array) -> jax.Array:
    """T5's bias [H, T, S]: exact for near distances, logarithmic up to 128 (Raffel et al. 2020)."""
    near = table_KxH.shape[0] // 2
    far = np.arange(129)
    with np.errstate(divide="ignore"):
        steps = np.log(far / near) / np.log(128 / near) * (2 * near - 1 - near)
    buckets = np.where(far < near, far, near + np.maximum(steps, 0).astype(int))
    bucket = jnp.asarray(buckets, jnp.int32)[jnp.clip(distance, 0, 128)]
    return jnp.moveaxis(table_KxH[bucket], -1, 0)
