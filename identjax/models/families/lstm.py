"""LSTM (Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000)."""

from typing import Any

import jax
import jax.numpy as jnp

from identjax.models.model import MODELS
from identjax.models.parts.recurrent import Cell, StackedModel


class LSTMCell(Cell):
    """i, f, g, o = split(x·W + h·R + b); c' = σ(f)∘c + σ(i)∘tanh(g); h' = σ(o)∘tanh(c')."""

    gates = 4

    def start(self, dtype: Any) -> tuple[jax.Array, ...]:
        return super().start(dtype) * 2

    def step(self, weights: Any, inputs: jax.Array, state: Any) -> Any:
        h, c = state
        i, f, g, o = jnp.split(inputs + h @ weights, 4, -1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        return jax.nn.sigmoid(o) * jnp.tanh(c), c


@MODELS.register("lstm")
class LSTM(StackedModel):
    """Stacked LSTM with a linear head; dropout acts on the output of the stack."""

    cell_type = LSTMCell
