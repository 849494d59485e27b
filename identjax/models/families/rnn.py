"""Elman's recurrent network (Elman 1990), with tanh or ReLU."""

import dataclasses
from typing import Any

import jax

from identjax.models.linen import LinenModel, Net
from identjax.models.model import MODELS, choice
from identjax.models.parts.recurrent import Cell, RecurrentNet, squash


class ElmanCell(Cell):
    """h' = φ(x·W + h·R + b), φ = tanh or ReLU."""

    def step(self, weights: Any, inputs: jax.Array, state: Any) -> Any:
        """Advance (h,) of any leading shape by one token."""
        return (squash(inputs + state[0] @ weights, self.config.activation),)


@MODELS.register("rnn")
@dataclasses.dataclass(frozen=True)
class RNN(LinenModel):
    """Stacked Elman network with a linear head; dropout acts on the output of the stack."""

    embedding: int = 16
    hidden: int = 64
    layers: int = 1
    activation: str = choice("tanh", "relu")

    presets = {  # noqa: RUF012
        "paper": {"embedding": 16, "hidden": 256, "layers": 1},
        "small": {"embedding": 16, "hidden": 64, "layers": 1},
    }

    def net(self) -> Net:
        """Make the network."""
        return RecurrentNet(self, ElmanCell)
