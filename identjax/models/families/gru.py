"""Gated recurrent unit (Cho et al. 2014), in the form that PyTorch and cuDNN have."""

from typing import Any

import jax
import jax.numpy as jnp

from identjax.models.model import MODELS
from identjax.models.parts import initial
from identjax.models.parts.recurrent import Cell, StackedModel


class GRUCell(Cell):
    """r, z = σ(x·W + h·R + b); n = tanh(x·Wₙ + bₙ + r∘(h·Rₙ + cₙ)); h' = (1−z)∘n + z∘h."""

    gates = 3

    def set_up_more(self, uniform: initial.Values) -> None:
        """Declare the bias inside the reset gate."""
        self.inner_bias = initial.declare(self, "inner_bias", uniform, self.config.hidden)

    def weights(self) -> Any:
        return self.recurrent, self.inner_bias

    def step(self, weights: Any, inputs: jax.Array, state: Any) -> Any:
        (h,), (recurrent, bias) = state, weights
        x_r, x_z, x_n = jnp.split(inputs, 3, -1)
        h_r, h_z, h_n = jnp.split(h @ recurrent, 3, -1)
        r, z = jax.nn.sigmoid(x_r + h_r), jax.nn.sigmoid(x_z + h_z)
        n = jnp.tanh(x_n + r * (h_n + jnp.broadcast_to(bias, h.shape)))
        return (n + z * (h - n),)


@MODELS.register("gru")
class GRU(StackedModel):
    """Stacked GRU with a linear head; dropout acts on the output of the stack."""

    cell_type = GRUCell
