"""Stacks of recurrent cells: projections hoisted out of the scan, states set back at BOS."""

import dataclasses
import functools
import math
from collections.abc import Mapping
from typing import Any, ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from identjax.models.linen import LinenModel, Net
from identjax.models.model import Cache, Dropout, Move, Params
from identjax.models.parts import initial
from identjax.models.parts.dropout import drop
from identjax.models.parts.layers import Linear, each_layer


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
        uniform = initial.within(1 / math.sqrt(hidden))
        self.project = Linear(self.gates * hidden, kernel_initial=uniform, bias_initial=uniform)
        self.recurrent = initial.declare(self, "recurrent", uniform, hidden, self.gates * hidden)
        self.set_up_more(uniform)

    def set_up_more(self, uniform: initial.Values) -> None:
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

    def setup(self) -> None:
        c, v = self.config, self.config.vocabulary.size
        self.embed = initial.declare(self, "embed", initial.normal(1.0), v, c.embedding)
        self.cells = [c.cell_type(c) for _ in range(getattr(c, "layers", 1))]
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
        tokens_TxB = tokens_BxT.T
        starts_TxB = tokens_TxB == self.config.vocabulary.bos
        x = self.cells[0](self.cells[0].project(self.embed)[tokens_TxB], starts_TxB)
        for cell in self.cells[1:]:
            x = cell(cell.project(x), starts_TxB)
        return jnp.swapaxes(self.head(drop(x, dropout)), 0, 1)


@dataclasses.dataclass(frozen=True)
class RecurrentModel(LinenModel):
    """An embedding, cells, and a linear head."""

    embedding: int = 16
    hidden: int = 64

    cell_type: ClassVar[type[Cell]]

    def net(self) -> Net:
        return RecurrentNet(self)


@dataclasses.dataclass(frozen=True)
class StackedModel(RecurrentModel):
    """Layers of plain cells, with the options that LSTM and GRU share."""

    hidden: int = 32
    layers: int = 1

    presets = {"small": {}, "paper": {"embedding": 10, "hidden": 64, "layers": 5}}  # noqa: RUF012
    # Projections for all positions at once would leave the caches.
    scans_on_cpu = True

    def symmetries(self) -> Mapping[str, Move]:
        """Declare that hidden units may stand in any order."""
        return {"permute": functools.partial(permute_cells, self.hidden)}


def permute_cells(hidden: int, params: Params, alpha: float, random: np.random.Generator) -> None:
    """Give the hidden units of every cell another order, and what reads them alike."""
    cells = list(each_layer(params, "cells"))
    readers = [cell["project"] for cell in cells[1:]] + [params["head"]]
    for cell, reader in zip(cells, readers, strict=True):
        order = random.permutation(hidden)
        cell["recurrent"] = cell["recurrent"][order]
        for leaf in (cell["recurrent"], *cell["project"].values()):
            gates = leaf.reshape(*leaf.shape[:-1], -1, hidden)
            gates[...] = gates[..., order]
        if "inner_bias" in cell:
            cell["inner_bias"] = cell["inner_bias"][order]
        reader["kernel"] = reader["kernel"][order]
