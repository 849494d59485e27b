"""Stack-RNN: an Elman network with a differentiable stack (Joulin and Mikolov 2015)."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from identjax.models.model import MODELS, choice
from identjax.models.parts.memory import Controller, MemoryModel, apply_map, bring_up


class StackCell(Controller):
    """new[i] = push·old[i−1] + pop·old[i+1] + keep·old[i], with old[−1] the value pushed."""

    def map_sizes(self) -> dict[str, tuple[int, int]]:
        """Ask for one map, to the actions and the value."""
        return {"act": (self.config.hidden, 3 + self.config.cell)}

    def step(self, weights: Any, inputs: jax.Array, state: Any) -> Any:
        h, stack = state
        h = self.control(weights, inputs, h, stack)
        acted = apply_map(weights["act"], h)
        push, pop, keep = jnp.split(jax.nn.softmax(acted[..., :3])[..., None], 3, -2)
        pushed = jnp.concatenate([acted[..., None, 3:], stack[..., :-1, :]], -2)
        return h, push * pushed + pop * bring_up(stack) + keep * stack


@MODELS.register("stack_rnn")
@dataclasses.dataclass(frozen=True)
class StackRNN(MemoryModel):
    """Stack-RNN with a linear head; dropout acts on the controller's output."""

    activation: str = choice("relu", "tanh")

    presets = {"small": {}, "paper": {"hidden": 256, "cell": 8, "memory": 30}}  # noqa: RUF012
    cell_type = StackCell
