"""Parts that several families share: dense maps, norms, and where strings begin."""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from identjax.models.parts import initial


def pad_axes(x: jax.Array, ndim: int) -> jax.Array:
    """Put axes of size 1 before those of `x`, for adding it to an array of `ndim` axes."""
    return x.reshape((1,) * (ndim - x.ndim) + x.shape)


def each_layer(params: Any, name: str) -> Iterator[Any]:
    """Go through the parameters of layers of one name, in order."""
    for layer in range(sum(key.startswith(f"{name}_") for key in params)):
        yield params[f"{name}_{layer}"]


@jax.custom_vjp
def multiply(x: jax.Array, kernel_DxF: jax.Array) -> jax.Array:
    """Give x·W, with a gradient of W that is fast where one of its sides is short."""
    return x @ kernel_DxF


def _multiply_forward(x: jax.Array, kernel_DxF: jax.Array) -> tuple[jax.Array, Any]:
    return x @ kernel_DxF, (x, kernel_DxF)


def _multiply_backward(read: Any, pull: jax.Array) -> tuple[jax.Array, jax.Array]:
    x, kernel_DxF = read
    x_PxD, pull_PxF = (a.reshape(-1, a.shape[-1]) for a in (x, pull))
    if kernel_DxF.shape[0] <= kernel_DxF.shape[1]:
        return pull @ kernel_DxF.T, x_PxD.T @ pull_PxF
    # The longer side last: on CPU 6 times as fast, unless XLA undoes it.
    return pull @ kernel_DxF.T, lax.optimization_barrier(pull_PxF.T @ x_PxD).T


multiply.defvjp(_multiply_forward, _multiply_backward)


class Linear(nn.Module):
    """x·W + b, both uniform within ±1/√(inputs) unless told otherwise, as PyTorch has it."""

    features: int
    bias: bool = True
    kernel_initial: initial.Values | None = None
    bias_initial: initial.Values | None = None

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        default = initial.within(1 / math.sqrt(x.shape[-1]))
        kernel = initial.declare(
            self, "kernel", self.kernel_initial or default, x.shape[-1], self.features
        )
        y = multiply(x, kernel)
        if self.bias:
            b = initial.declare(self, "bias", self.bias_initial or default, self.features)
            y = y + pad_axes(b, y.ndim)
        return y


class Norm(nn.Module):
    """Layer norm, RMS norm (not centred, no bias), or head norm (scales for each head, no bias).

    All normalise over the last axis; head norm is a layer norm of [..., H, K].
    """

    kind: str = "layer"
    epsilon: float = 1e-5

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        shape = x.shape[-2:] if self.kind == "head" else x.shape[-1:]
        scale = initial.declare(self, "scale", jnp.ones_like, *shape)
        if self.kind != "rms":
            x = x - x.mean(-1, keepdims=True)
        x = x * lax.rsqrt(jnp.square(x).mean(-1, keepdims=True) + self.epsilon)
        x = x * pad_axes(scale, x.ndim)
        if self.kind == "layer":
            x = x + pad_axes(initial.declare(self, "bias", jnp.zeros_like, x.shape[-1]), x.ndim)
        return x


class Places(NamedTuple):
    """Where each token of a row stands: which string of the row, and where in that string."""

    string: jax.Array
    position: jax.Array


def locate(tokens_BxT: jax.Array, bos: int) -> Places:
    """Find the string and the position in it of each token; strings begin with BOS."""
    starts_BxT = tokens_BxT == bos
    index_BxT = lax.broadcasted_iota(jnp.int32, tokens_BxT.shape, 1)
    string_BxT = jnp.cumsum(starts_BxT, 1, dtype=jnp.int32)
    first_BxT = lax.cummax(jnp.where(starts_BxT, index_BxT, 0), axis=1)
    return Places(string_BxT, index_BxT - first_BxT)


def activate(x: jax.Array, kind: str) -> jax.Array:
    """Apply an activation; a gated one halves the last axis."""
    if kind == "swiglu":
        gate, value = jnp.split(x, 2, -1)
        return nn.silu(gate) * value
    return nn.relu(x) if kind == "relu" else nn.gelu(x, approximate=False)


class CausalConv(nn.Module):
    """Depthwise convolution over the last `width` tokens of the same string."""

    features: int
    width: int

    def setup(self) -> None:
        """Declare kernel and bias, uniform within ±1/√width as in PyTorch."""
        uniform = initial.within(1 / math.sqrt(self.width))
        self.kernel = initial.declare(self, "kernel", uniform, self.width, self.features)
        self.bias = initial.declare(self, "bias", uniform, self.features)

    def start(self, dtype: Any) -> jax.Array:
        """Give the window before the first token: zeros."""
        return jnp.zeros((self.width - 1, self.features), dtype)

    def advance(self, window_WxD: jax.Array, x_D: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Give the window with `x_D` at its end, and the output."""
        seen_WxD = jnp.concatenate([window_WxD, x_D[None]])
        return seen_WxD[1:], (seen_WxD * self.kernel).sum(0) + self.bias

    def __call__(self, x_BxTxD: jax.Array, position_BxT: jax.Array) -> jax.Array:
        y_BxTxD = x_BxTxD * self.kernel[None, None, -1] + self.bias[None, None]
        for back in range(1, min(self.width, x_BxTxD.shape[1])):
            shifted_BxTxD = jnp.pad(x_BxTxD[:, :-back], ((0, 0), (back, 0), (0, 0)))
            reached_BxTxD = jnp.where(position_BxT[..., None] >= back, shifted_BxTxD, 0)
            y_BxTxD = y_BxTxD + reached_BxTxD * self.kernel[None, None, -1 - back]
        return y_BxTxD
