"""xLSTM: blocks of mLSTM and, where chosen, sLSTM (Beck et al. 2024)."""

import dataclasses
import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from identjax.errors import ConfigError
from identjax.models.model import MODELS, Cache
from identjax.models.parts import initial
from identjax.models.parts.blocks import BlockModel, Mixer
from identjax.models.parts.layers import CausalConv, Linear, Norm, Places, pad_axes
from identjax.models.parts.mlstm import Gated, mix_chunked, mix_parallel, start_memory, step_memory
from identjax.models.parts.slstm import SLSTMMixer


@MODELS.register("xlstm")
@dataclasses.dataclass(frozen=True)
class XLSTM(BlockModel):
    """Blocks of mLSTM, and of sLSTM with a feed-forward net at the layers in `slstm_at`.

    Dropout acts on the residual branches. Rows longer than `chunk` are read in chunks.
    """

    heads: int = 2
    slstm_at: tuple[int, ...] = (1,)
    d_conv: int = 4
    qkv_block: int = 4
    ff_factor: float = 1.3
    chunk: int = 64

    presets = {"small": {}, "paper": {"d_model": 64, "heads": 4, "layers": 6}}  # noqa: RUF012
    widest_scan = 32

    def check(self) -> None:
        """Check that widths divide and that the sLSTM layers exist."""
        if self.d_model % self.heads:
            raise ConfigError("heads", self.heads, f"a divisor of d_model={self.d_model}")
        if (2 * self.d_model) % self.qkv_block:
            raise ConfigError("qkv_block", self.qkv_block, f"a divisor of {2 * self.d_model}")
        if not self.ff_factor > 0:
            raise ConfigError("ff_factor", self.ff_factor, "a number above 0")
        if not isinstance(self.slstm_at, tuple):
            raise ConfigError("slstm_at", self.slstm_at, "a list of layers")
        if bad := [at for at in self.slstm_at if at not in range(self.layers)]:
            raise ConfigError("slstm_at", bad[0], f"layers from 0 to {self.layers - 1}")

    def mixers(self) -> list[Mixer]:
        """Make one or two mixers for each layer: a feed-forward net counts as one of its own."""
        made: list[Mixer] = []
        for at in range(self.layers):
            if at in self.slstm_at:
                made += [SLSTMMixer(self, at / max(1, self.layers - 1)), GatedFeed(self)]
            else:
                made.append(MLSTMMixer(self))
        return made


class GatedFeed(Mixer):
    """W₂(GELU(gate)∘up), of `ff_factor` times the width, rounded up to a multiple of 64."""

    def setup(self) -> None:
        c = self.config
        self.up = Linear(2 * 64 * math.ceil(c.ff_factor * c.d_model / 64), bias=False)
        self.down = Linear(c.d_model, bias=False)

    def start(self, dtype: Any) -> Cache:
        return ()

    def advance(self, cache: Cache, x_D: jax.Array) -> tuple[Cache, jax.Array]:
        return cache, self(x_D)

    def __call__(self, x: jax.Array, places: Places | None = None) -> jax.Array:
        gate, value = jnp.split(self.up(x), 2, -1)
        return self.down(nn.gelu(gate, approximate=False) * value)


class BlockDiagonal(nn.Module):
    """A map of the last axis in blocks of `block` features each."""

    block: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        blocks, b = x.shape[-1] // self.block, self.block
        kernel = initial.declare(
            self, "kernel", initial.normal(math.sqrt(2 / (5 * b))), blocks, b, b
        )
        parts = x.reshape(*x.shape[:-1], blocks, b, 1)
        return (parts * pad_axes(kernel, parts.ndim)).sum(-2).reshape(x.shape)


class MLSTMMixer(Mixer):
    """Up to (x, z); conv and SiLU give q and k, x gives v; mLSTM, head norm, skip, gate, down."""

    def setup(self) -> None:
        """Declare the maps; gates begin as constants, forgetting little."""
        c = self.config
        inner = 2 * c.d_model
        self.enter = Linear(2 * inner, bias=False)
        self.conv = CausalConv(inner, c.d_conv)
        self.q, self.k, self.v = (BlockDiagonal(c.qkv_block) for _ in range(3))
        self.i = Linear(c.heads, kernel_initial=jnp.zeros_like, bias_initial=initial.normal(0.1))
        self.f = Linear(c.heads, kernel_initial=jnp.zeros_like, bias_initial=initial.spread(3, 6))
        self.norm = Norm("head")
        self.skip = initial.declare(self, "skip", jnp.ones_like, inner)
        self.out = Linear(c.d_model, bias=False)

    def project(self, x: jax.Array, conv: jax.Array) -> Gated:
        """Give queries, keys, values and gates of the last axis."""
        q, k, v = self.q(conv), self.k(conv), self.v(x)
        joined = jnp.concatenate([q, k, v], -1)
        heads = (*x.shape[:-1], self.config.heads, -1)
        q, k, v = (a.reshape(heads) for a in (q, k, v))
        return Gated(q, k, v, self.i(joined), self.f(joined))

    def leave(self, h: jax.Array, conv: jax.Array, z: jax.Array) -> jax.Array:
        """Give the output from h [..., H, K], the convolved inputs and the gate."""
        h = self.norm(h).reshape(conv.shape) + pad_axes(self.skip, conv.ndim) * conv
        return self.out(h * nn.silu(z))

    def start(self, dtype: Any) -> Cache:
        heads, inner = self.config.heads, self.conv.features
        return self.conv.start(dtype), start_memory((heads,), inner // heads, dtype)

    def advance(self, cache: Cache, x_D: jax.Array) -> tuple[Cache, jax.Array]:
        window, memory = cache
        x_D, z_D = jnp.split(self.enter(x_D), 2, -1)
        window, conv_D = self.conv.advance(window, x_D)
        conv_D = nn.silu(conv_D)
        memory, h_HxK = step_memory(memory, self.project(x_D, conv_D))
        return (window, memory), self.leave(h_HxK, conv_D, z_D)

    def __call__(self, x_BxTxD: jax.Array, places: Places) -> jax.Array:
        x, z = jnp.split(self.enter(x_BxTxD), 2, -1)
        conv = nn.silu(self.conv(x, places.position))
        gated = self.project(x, conv)
        if x.shape[1] > self.config.chunk:
            h = mix_chunked(gated, places.string, self.config.chunk)
        else:
            h = mix_parallel(gated, places.string)
        return self.leave(h, conv, z)
