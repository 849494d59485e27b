"""What Stack-RNN and Tape-RNN share: an Elman controller that reads one cell of its memory."""

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp

from identjax.models.parts import initial
from identjax.models.parts.layers import pad_axes
from identjax.models.parts.recurrent import Cell, RecurrentModel, squash


class Controller(Cell):
    """h' = φ(x·W + (h, cell read)·R + b); actions = softmax and values of h'.

    The memory [..., N, C] has no parameters of its own, so N may be larger at test.
    """

    def set_up_more(self, uniform: initial.Values) -> None:
        """Declare the map from the cell that is read, and the maps from h."""
        c = self.config
        self.from_memory = initial.declare(self, "from_memory", uniform, c.cell, c.hidden)
        self.maps = {
            name: (
                initial.declare(
                    self, f"{name}_kernel", initial.within(1 / math.sqrt(rows)), rows, columns
                ),
                initial.declare(self, f"{name}_bias", initial.within(1 / math.sqrt(rows)), columns),
            )
            for name, (rows, columns) in self.map_sizes().items()
        }

    def map_sizes(self) -> dict[str, tuple[int, int]]:
        """Name the affine maps that a family needs, with their inputs and outputs."""
        raise NotImplementedError

    def weights(self) -> Any:
        return {**self.maps, "recurrent": self.recurrent, "from_memory": self.from_memory}

    def start(self, dtype: Any) -> tuple[jax.Array, ...]:
        c = self.config
        return (*super().start(dtype), jnp.zeros((c.memory, c.cell), dtype))

    def control(
        self, weights: Any, inputs: jax.Array, h: jax.Array, memory: jax.Array
    ) -> jax.Array:
        """Give the next h."""
        read = memory[..., 0, :] @ weights["from_memory"]
        return squash(inputs + h @ weights["recurrent"] + read, self.config.activation)


def apply_map(weights: tuple[jax.Array, jax.Array], x: jax.Array) -> jax.Array:
    """Give x·W + b."""
    return x @ weights[0] + pad_axes(weights[1], x.ndim)


def bring_up(memory: jax.Array) -> jax.Array:
    """Move the cells of [..., N, C] one place towards the first; the last is zero."""
    return jnp.pad(memory[..., 1:, :], [(0, 0)] * (memory.ndim - 2) + [(0, 1), (0, 0)])


@dataclasses.dataclass(frozen=True)
class MemoryModel(RecurrentModel):
    """A controller with a memory of `memory` cells that are `cell` wide."""

    cell: int = 4
    memory: int = 32
