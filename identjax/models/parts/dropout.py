"""Dropout: every decision is a hash of the pass's key, the place in the net, and the entry.

A hash of the entry's number fuses with the product that it scales, so no random bits pass through
memory, and the backward pass makes them again. Its rounds are those of 32-bit mixers in wide use
(a multiplication after a shifted xor), between additions of the two words of a threefry key.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from identjax.models.model import Dropout

ODD = np.uint32(0x7FEB352D), np.uint32(0x846CA68B)


def drop(x: jax.Array, dropout: Dropout | None, *site: int) -> jax.Array:
    """Zero entries of `x` at random and scale the rest up; `site` tells the places in a net apart.

    The rate is exact to 2^-32.
    """
    if dropout is None:
        return x
    key = dropout.key
    for part in site:
        key = jax.random.fold_in(key, part)
    cut = (dropout.rate * 2.0**32).astype(jnp.uint32)
    scale = (1 / (1 - dropout.rate)).astype(x.dtype)
    return _thin(x, jax.random.key_data(key)[:2], cut, scale)


@jax.custom_vjp
def _thin(x: jax.Array, words_2: jax.Array, cut: jax.Array, scale: jax.Array) -> jax.Array:
    return jnp.where(_hash(x.shape, words_2) >= cut, x * scale, 0)


def _thin_forward(x: jax.Array, *how: jax.Array) -> tuple[jax.Array, Any]:
    return _thin(x, *how), how


def _thin_backward(how: Any, pull: jax.Array) -> tuple[jax.Array, None, None, None]:
    return _thin(pull, *how), None, None, None


_thin.defvjp(_thin_forward, _thin_backward)


def _hash(shape: tuple[int, ...], words_2: jax.Array) -> jax.Array:
    """Give a word for every entry of an array, from its number and a key."""
    index = lax.iota(jnp.uint32, int(np.prod(shape))).reshape(shape) + words_2[0]
    mixed = (index ^ (index >> np.uint32(16))) * ODD[0]
    # The last product leaves its best bits on top, where a comparison reads first.
    return ((mixed ^ (mixed >> np.uint32(15))) + words_2[1]) * ODD[1]
