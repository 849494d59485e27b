"""The sLSTM: exponential gates with a scalar memory per unit, mixed within heads."""

from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from identjax.models.model import Cache
from identjax.models.parts import initial
from identjax.models.parts.blocks import Mixer
from identjax.models.parts.layers import CausalConv, Norm, Places, pad_axes
from identjax.models.parts.mlstm import NEVER


class Scalars(NamedTuple):
    """Output h, memory c, its total n, and the scale m, each [..., H, K]."""

    h: jax.Array
    c: jax.Array
    n: jax.Array
    m: jax.Array


def start_scalars(shape: tuple[int, ...], dtype: jax.typing.DTypeLike) -> Scalars:
    """Give an empty memory."""
    zeros = jnp.zeros(shape, dtype)
    return Scalars(zeros, zeros, zeros, jnp.full(shape, NEVER, dtype))


def step_scalars(recurrent: jax.Array, inputs: jax.Array, state: Scalars) -> Scalars:
    """Advance by one position, with inputs [..., H, 4·K] and recurrent maps [H, K, 4·K].

    raw = inputs + h·R; z = tanh, o = σ; m' = max(f̂ + m, i); c' = e^{f̂+m−m'} c + e^{i−m'} z,
    n' likewise with 1; h' = o∘c'/n'.
    """
    raw = inputs + jnp.einsum("...hk,hkg->...hg", state.h, recurrent)
    i, f, z, o = jnp.split(raw, 4, -1)
    kept = jax.nn.log_sigmoid(f) + state.m
    # c'/n' does not depend on m', so no gradient goes through it.
    m = lax.stop_gradient(jnp.maximum(kept, i))
    keep, add = jnp.exp(kept - m), jnp.exp(i - m)
    c = keep * state.c + add * jnp.tanh(z)
    n = keep * state.n + add
    return Scalars(nn.sigmoid(o) * c / n, c, n, m)


def power_law(heads: int, width: int, depth: float) -> initial.Values:
    """Give biases [H, 4·K]: zeros, and for forgetting a power law that depends on the depth."""

    def fill(u: jax.Array) -> jax.Array:
        rise = (jnp.arange(width) / max(1, width - 1)) ** (0.3 + 1.3 * depth)
        biases = jnp.zeros((heads, 4, width)).at[:, 1].set(-(-5 + 12 * rise)[None])
        return biases.reshape(u.shape)

    return fill


class SLSTMMixer(Mixer):
    """i and f read conv and SiLU, z and o the inputs; sLSTM over positions; head norm."""

    depth: float = 0.0

    def setup(self) -> None:
        """Declare the maps, within heads; the recurrent ones begin at 0."""
        c = self.config
        k = c.d_model // c.heads
        normal = initial.normal((2 / (5 * k)) ** 0.5)
        self.conv = CausalConv(c.d_model, c.d_conv)
        self.from_conv = initial.declare(self, "from_conv", normal, c.heads, k, 2 * k)
        self.from_input = initial.declare(self, "from_input", normal, c.heads, k, 2 * k)
        self.recurrent = initial.declare(self, "recurrent", jnp.zeros_like, c.heads, k, 4 * k)
        self.bias = initial.declare(self, "bias", power_law(c.heads, k, self.depth), c.heads, 4 * k)
        self.norm = Norm("head")

    def project(self, x: jax.Array, conv: jax.Array) -> jax.Array:
        """Give inputs of all gates, [..., H, 4·K]."""
        heads = (*x.shape[:-1], self.config.heads, -1)
        i_f = jnp.einsum("...hk,hkg->...hg", conv.reshape(heads), self.from_conv)
        z_o = jnp.einsum("...hk,hkg->...hg", x.reshape(heads), self.from_input)
        joined = jnp.concatenate([i_f, z_o], -1)
        return joined + pad_axes(self.bias, joined.ndim)

    def start(self, dtype: Any) -> Cache:
        c = self.config
        return self.conv.start(dtype), start_scalars((c.heads, c.d_model // c.heads), dtype)

    def advance(self, cache: Cache, x_D: jax.Array) -> tuple[Cache, jax.Array]:
        window, state = cache
        window, conv_D = self.conv.advance(window, x_D)
        state = step_scalars(self.recurrent, self.project(x_D, nn.silu(conv_D)), state)
        return (window, state), self.norm(state.h).reshape(x_D.shape)

    def __call__(self, x_BxTxD: jax.Array, places: Places) -> jax.Array:
        inputs = self.project(x_BxTxD, nn.silu(self.conv(x_BxTxD, places.position)))
        first = start_scalars(
            (inputs.shape[0], inputs.shape[2], inputs.shape[3] // 4), inputs.dtype
        )
        recurrent = self.recurrent

        def step(state: Scalars, at: tuple[jax.Array, jax.Array]) -> tuple[Scalars, jax.Array]:
            starts_B, inputs_BxHxG = at
            begins = starts_B[:, None, None]
            fresh = [jnp.where(begins, a, b) for a, b in zip(first, state, strict=True)]
            state = step_scalars(recurrent, inputs_BxHxG, Scalars(*fresh))
            return state, state.h

        over_time = ((places.position == 0).T, jnp.moveaxis(inputs, 1, 0))
        h = lax.scan(step, first, over_time)[1]
        return self.norm(jnp.moveaxis(h, 0, 1)).reshape(x_BxTxD.shape)
