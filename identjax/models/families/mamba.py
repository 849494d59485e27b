"""Mamba: a selective state-space model (Gu and Dao 2023)."""

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp

from identjax.models.model import MODELS, Cache, choice
from identjax.models.parts import initial
from identjax.models.parts.blocks import BlockModel, Mixer
from identjax.models.parts.layers import CausalConv, Linear, Places, pad_axes
from identjax.models.parts.scans import scan_selective


@MODELS.register("mamba")
@dataclasses.dataclass(frozen=True)
class Mamba(BlockModel):
    """Stacked Mamba blocks; dropout acts on the residual branches."""

    d_state: int = 8
    d_conv: int = 4
    expand: int = 2
    norm_type: str = choice("rms", "layer")

    presets = {  # noqa: RUF012
        "small": {},
        "paper": {"d_model": 32, "d_state": 16, "d_conv": 8, "layers": 10},
    }
    widest_scan = 16

    def mixers(self) -> list[Mixer]:
        return [MambaMixer(self) for _ in range(self.layers)]


class MambaMixer(Mixer):
    """h = e^{ΔA}∘h + ΔBx; y = C·h + Dx; out = W(y∘SiLU z), with Δ, B and C functions of x."""

    def setup(self) -> None:
        """Declare the maps, and A, D and Δ's bias with their published initial values."""
        c = self.config
        inner, rank = c.expand * c.d_model, math.ceil(c.d_model / 16)
        self.enter = Linear(2 * inner, bias=False)
        self.conv = CausalConv(inner, c.d_conv)
        self.select = Linear(rank + 2 * c.d_state, bias=False)
        self.delta = Linear(
            inner, kernel_initial=initial.within(rank**-0.5), bias_initial=_delta_bias
        )
        self.log_a = initial.declare(self, "log_a", _log_range, inner, c.d_state)
        self.skip = initial.declare(self, "skip", jnp.ones_like, inner)
        self.out = Linear(c.d_model, bias=False)

    def choose(self, x: jax.Array) -> tuple[jax.Array, ...]:
        """Give Δ [..., D], B and C [..., N] for convolved inputs [..., D]."""
        n = self.config.d_state
        low = self.select(x)
        rank = low.shape[-1] - 2 * n
        delta = jax.nn.softplus(self.delta(low[..., :rank]))
        return delta, low[..., rank : rank + n], low[..., rank + n :]

    def decay_rates(self) -> jax.Array:
        """Give A [D, N]; the bound keeps gradients finite where all is forgotten at once."""
        return -jnp.exp(jnp.clip(self.log_a, -20, 20))

    def leave(self, y: jax.Array, x: jax.Array, z: jax.Array) -> jax.Array:
        """Give the output from what was read off the state, the inputs and the gate."""
        return self.out((y + x * pad_axes(self.skip, x.ndim)) * jax.nn.silu(z))

    def start(self, dtype: Any) -> Cache:
        state = jnp.zeros((self.conv.features, self.config.d_state), dtype)
        return self.conv.start(dtype), state

    def advance(self, cache: Cache, x_D: jax.Array) -> tuple[Cache, jax.Array]:
        window, h_DxN = cache
        x_D, z_D = jnp.split(self.enter(x_D), 2, -1)
        window, x_D = self.conv.advance(window, x_D)
        x_D = jax.nn.silu(x_D)
        delta_D, b_N, c_N = self.choose(x_D)
        decay_DxN = jnp.exp(delta_D[:, None] * self.decay_rates())
        h_DxN = decay_DxN * h_DxN + (delta_D * x_D)[:, None] * b_N[None]
        return (window, h_DxN), self.leave(h_DxN @ c_N, x_D, z_D)

    def __call__(self, x_BxTxD: jax.Array, places: Places) -> jax.Array:
        x, z = jnp.split(self.enter(x_BxTxD), 2, -1)
        x = jax.nn.silu(self.conv(x, places.position))
        delta, b, c = self.choose(x)
        y = scan_selective(places.position == 0, delta, self.decay_rates(), delta * x, b, c)
        return self.leave(y, x, z)


def _log_range(u: jax.Array) -> jax.Array:
    return jnp.log(initial.spread(1, u.shape[-1])(u))


def _delta_bias(u: jax.Array) -> jax.Array:
    delta = jnp.exp(initial.between(math.log(1e-3), math.log(0.1))(u))
    return delta + jnp.log(-jnp.expm1(-delta))
