"""Elman's recurrent network (Elman 1990), with tanh or ReLU."""

import dataclasses
from typing import Any

import jax

from identjax.models.model import MODELS, choice
from identjax.models.parts.recurrent import Cell, StackedModel, squash


class ElmanCell(Cell):
    """h' = φ(x·W + h·R + b), φ = tanh or ReLU."""

    def step(self, weights: Any, inputs: jax.Array, state: Any) -> Any:
        return (squash(inputs + state[0] @ weights, self.config.activation),)


@MODELS.register("rnn")
@dataclasses.dataclass(frozen=True)
class RNN(StackedModel):
    """Stacked Elman network with a linear head; dropout acts on the output of the stack."""

    hidden: int = 64
    activation: str = choice("tanh", "relu")

    presets = {"small": {}, "paper": {"embedding": 16, "hidden": 256}}  # noqa: RUF012
    cell_type = ElmanCell
    scans_on_cpu = False
