"""Tape-RNN: an Elman network with a differentiable tape (Delétang et al. 2023)."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from identjax.models.model import MODELS, choice
from identjax.models.parts.memory import Controller, MemoryModel, apply_map


class TapeCell(Controller):
    """Write at the head, then a soft mix of stay, left, right, and jumps; the tape is a ring.

    The published jumps are as long as the whole input, which a predictor of it cannot know: here
    they are as long as what has been read so far.
    """

    def map_sizes(self) -> dict[str, tuple[int, int]]:
        """Ask for maps to the actions and, over two hidden layers, to what is written."""
        c = self.config
        write = {"write0": (c.hidden, c.mlp), "write1": (c.mlp, c.mlp), "write2": (c.mlp, c.cell)}
        return {"act": (c.hidden, 3 if c.jump == "none" else 5), **write}

    def start(self, dtype: Any) -> tuple[jax.Array, ...]:
        return (*super().start(dtype), jnp.int32(0))

    def step(self, weights: Any, inputs: jax.Array, state: Any) -> Any:
        h, tape, read = state
        h, read = self.control(weights, inputs, h, tape), read + 1
        value = jax.nn.relu(apply_map(weights["write0"], h))
        value = jax.nn.relu(apply_map(weights["write1"], value))
        value = apply_map(weights["write2"], value)
        tape = jnp.concatenate([value[..., None, :], tape[..., 1:, :]], -2)
        moved = [tape, jnp.roll(tape, -1, -2), jnp.roll(tape, 1, -2)]
        if self.config.jump == "read":
            moved += [turn(tape, read), turn(tape, -read)]
        share = jax.nn.softmax(apply_map(weights["act"], h))[..., None, None]
        mixed = sum((share[..., i, :, :] * turned for i, turned in enumerate(moved)), 0 * tape)
        return h, mixed, read


def turn(tape: jax.Array, by: jax.Array) -> jax.Array:
    """Bring the cell that is `by` [...] to the right of the head under it."""
    cells = jnp.arange(tape.shape[-2], dtype=by.dtype).reshape((1,) * by.ndim + (-1,))
    index = (cells + by[..., None]) % tape.shape[-2]
    return jnp.take_along_axis(tape, index[..., None], -2)


@MODELS.register("tape_rnn")
@dataclasses.dataclass(frozen=True)
class TapeRNN(MemoryModel):
    """Tape-RNN with a linear head; dropout acts on the controller's output."""

    mlp: int = 16
    jump: str = choice("read", "none")
    activation: str = choice("tanh", "relu")

    presets = {  # noqa: RUF012
        "small": {},
        "paper": {"hidden": 256, "cell": 8, "memory": 30, "mlp": 64, "activation": "relu"},
    }
    cell_type = TapeCell
