"""LSTM (Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000)."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from identjax.models.linen import LinenModel, Net
from identjax.models.model import MODELS
from identjax.models.parts.recurrent import Cell, RecurrentNet


class LSTMCell(Cell):
    """i, f, g, o = split(x·W + h·R + b); c' = σ(f)∘c + σ(i)∘tanh(g); h' = σ(o)∘tanh(c')."""

    gates = 4

    def start(self, dtype: Any) -> tuple[jax.Array, ...]:
        """Give zero h and c."""
        return super().start(dtype) * 2

    def step(self, weights: Any, inputs: jax.Array, state: Any) -> Any:
        """Advance (h, c) of any leading shape by one token."""
        h, c = state
        i, f, g, o = jnp.split(inputs + h @ weights, 4, -1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        return jax.nn.sigmoid(o) * jnp.tanh(c), c


@MODELS.register("lstm")
@dataclasses.dataclass(frozen=True)
class LSTM(LinenModel):
    """Stacked LSTM with a linear head; dropout acts on the output of the stack."""

    embedding: int = 16
    hidden: int = 32
    layers: int = 1

    presets = {  # noqa: RUF012
        "paper": {"embedding": 10, "hidden": 64, "layers": 5},
        "small": {"embedding": 16, "hidden": 32, "layers": 1},
    }

    @property
    def scans_on_cpu(self) -> bool:
        """Say yes: projections for all positions at once leave the caches."""
        return True

    def net(self) -> Net:
        """Make the network."""
        return RecurrentNet(self, LSTMCell)
