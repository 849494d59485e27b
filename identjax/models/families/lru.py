"""Linear recurrent unit: a diagonal linear recurrence, without selection (Orvieto et al. 2023)."""

import dataclasses
import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from identjax.models.model import MODELS, Cache
from identjax.models.parts import initial
from identjax.models.parts.blocks import BlockModel, Mixer
from identjax.models.parts.layers import Linear, Places, pad_axes
from identjax.models.parts.scans import recur_diagonal


@MODELS.register("lru")
@dataclasses.dataclass(frozen=True)
class LRU(BlockModel):
    """Stacked LRU blocks with gated outputs; dropout acts on the residual branches."""

    d_model: int = 32
    d_state: int = 32

    presets = {"small": {}, "paper": {"d_model": 32, "d_state": 64, "layers": 10}}  # noqa: RUF012

    def mixers(self) -> list[Mixer]:
        return [LRUMixer(self) for _ in range(self.layers)]


def _on_ring(u: jax.Array) -> jax.Array:
    """Draw ν so that |λ| = exp(−exp ν) is uniform on the ring between .5 and .99."""
    return jnp.log(-0.5 * jnp.log(initial.between(0.5**2, 0.99**2)(u)))


def _log_phase(u: jax.Array) -> jax.Array:
    return jnp.log(initial.between(1e-3, math.pi)(u))


class LRUMixer(Mixer):
    """h = λ∘h + √(1−|λ|²)∘Bx, λ = exp(−exp ν + i exp θ); y = Re(C·h) + D∘x; out = GLU(gelu y)."""

    def setup(self) -> None:
        """Declare ν, θ, B, C, D and the gated output map."""
        d, n = self.config.d_model, self.config.d_state
        self.nu = initial.declare(self, "nu", _on_ring, n)
        self.theta = initial.declare(self, "theta", _log_phase, n)
        self.read = initial.declare(self, "read", initial.normal(1 / math.sqrt(2 * d)), 2, d, n)
        self.write = initial.declare(self, "write", initial.normal(1 / math.sqrt(n)), 2, n, d)
        self.skip = initial.declare(self, "skip", initial.normal(1.0), d)
        self.out = Linear(2 * d)

    def recur(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Give λ [N] and the inputs to the recurrence [..., N], both complex."""
        # Beyond e³ the state is forgotten at once; the bound keeps gradients finite.
        size, phase = -jnp.exp(jnp.clip(self.nu, -20, 3)), jnp.exp(jnp.clip(self.theta, -20, 3))
        decay_N = jnp.exp(lax.complex(size, phase))
        inputs = pad_axes(jnp.sqrt(-jnp.expm1(2 * size)), x.ndim)
        return decay_N, lax.complex(x @ self.read[0] * inputs, x @ self.read[1] * inputs)

    def leave(self, h: jax.Array, x: jax.Array) -> jax.Array:
        """Give the output from states and inputs."""
        skip = pad_axes(self.skip, x.ndim)
        y = h.real @ self.write[0] - h.imag @ self.write[1] + skip * x
        value, gate = jnp.split(self.out(nn.gelu(y)), 2, -1)
        return value * nn.sigmoid(gate)

    def start(self, dtype: Any) -> Cache:
        zeros = jnp.zeros((self.config.d_state,), dtype)
        return lax.complex(zeros, zeros)

    def advance(self, cache: Cache, x_D: jax.Array) -> tuple[Cache, jax.Array]:
        decay_N, inputs_N = self.recur(x_D)
        h_N = decay_N * cache + inputs_N
        return h_N, self.leave(h_N, x_D)

    def __call__(self, x_BxTxD: jax.Array, places: Places) -> jax.Array:
        decay_N, inputs_BxTxN = self.recur(x_BxTxD)
        h_BxTxN = recur_diagonal(places.position == 0, decay_N, inputs_BxTxN)
        return self.leave(h_BxTxN, x_BxTxD)
