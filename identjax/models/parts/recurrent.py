"""Stacks of recurrent cells: projections hoisted out of the scan, states set back at BOS."""

import math
from typing import Any, ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from identjax.models.linen import Net
from identjax.models.model import Cache, Dropout
from identjax.models.parts import initial as laws
from identjax.models.parts.dropout import drop
from identjax.models.parts.initial import Law, declare
from identjax.models.parts.layers import Linear


def squash(x: jax.Array, kind: str) -> jax.Array:
    """Apply tanh, or ReLU up to 10⁶: beyond what is ever learned, so that wild nets stay finite."""
    return jnp.clip(x, 0, 1e6) if kind == "relu" else jnp.tanh(x)


class Cell(nn.Module):
    """One layer: an input projection for all positions at once, and a pure step over positions.

    The state is a tuple of arrays [..., H], of which the first is the output; it begins at zero.
    """

    config: Any
    gates: ClassVar[int] = 1

    def setup(self) -> None:
        """Declare the parameters, uniform within ±1/√hidden as in PyTorch."""
        hidden = self.config.hidden
        law = laws.within(1 / math.sqrt(hidden))
        self.project = Linear(self.gates * hidden, kernel_law=law, bias_law=law)
        self.recurrent = declare(self, "recurrent", law, hidden, self.gates * hidden)
        self.set_up_more(law)

    def set_up_more(self, law: Law) -> None:
        """Declare what a family has besides."""

    def weights(self) -> Any:
        """Give what `step` needs besides inputs and state."""
        return self.recurrent

    def start(self, dtype: Any) -> tuple[jax.Array, ...]:
        """Give the state of one string of which nothing has been read: zeros."""
        return (jnp.zeros((self.config.hidden,), dtype),)

    def step(self, weights: Any, inputs: jax.Array, state: Any) -> Any:
        """Advance the state, of any leading shape, by one token's projected input."""
        raise NotImplementedError

    def __call__(self, inputs_TxBxG: jax.Array, starts_TxB: jax.Array) -> jax.Array:
        """Give the outputs at every position, [T, B, H], from projected inputs."""
        weights, rows = self.weights(), inputs_TxBxG.shape[1]
        first = tuple(
            jnp.zeros((rows, *zero.shape), zero.dtype) for zero in self.start(inputs_TxBxG.dtype)
        )

        def move(state: Any, at: tuple[jax.Array, jax.Array]) -> tuple[Any, jax.Array]:
            inputs_BxG, starts_B = at
            clear = tuple(starts_B.reshape(rows, *(1,) * (s.ndim - 1)) for s in state)
            state = tuple(jnp.where(c, 0, s) for c, s in zip(clear, state, strict=True))
            state = self.step(weights, inputs_BxG, state)
            return state, state[0]

        return lax.scan(move, first, (inputs_TxBxG, starts_TxB))[1]


class RecurrentNet(Net):
    """Embedding, a stack of cells, output dropout, and a linear head.

    The first layer's projection is done once per word instead of once per position.
    """

    cell: type[Cell]

    def setup(self) -> None:
        """Declare the embedding, the layers and the head."""
        c, v = self.config, self.config.vocabulary.size
        self.embed = declare(self, "embed", laws.normal(1.0), v, c.embedding)
        self.cells = [self.cell(c) for _ in range(getattr(c, "layers", 1))]
        self.head = Linear(v)

    def start(self, dtype: Any) -> Cache:
        """Give zero states for every layer."""
        return tuple(cell.start(dtype) for cell in self.cells)

    def advance(self, cache: Cache, token: jax.Array) -> tuple[Cache, jax.Array]:
        """Advance every layer by one token."""
        begins = token == self.config.vocabulary.bos
        cache = jax.tree.map(lambda s: jnp.where(begins, 0, s), cache)
        x, moved = self.embed[token], []
        for cell, state in zip(self.cells, cache, strict=True):
            state = cell.step(cell.weights(), cell.project(x), state)
            x = state[0]
            moved.append(state)
        return tuple(moved), self.head(x)

    def __call__(self, tokens_BxT: jax.Array, dropout: Dropout | None = None) -> jax.Array:
        """Give logits at every position, [B, T, V]."""
        tokens_TxB = tokens_BxT.T
        starts_TxB = tokens_TxB == self.config.vocabulary.bos
        x = self.cells[0](self.cells[0].project(self.embed)[tokens_TxB], starts_TxB)
        for cell in self.cells[1:]:
            x = cell(cell.project(x), starts_TxB)
        return jnp.swapaxes(self.head(drop(x, dropout)), 0, 1)
