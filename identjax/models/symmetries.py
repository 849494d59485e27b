"""Changes of a net's parameters that leave its function as it is, up to rounding.

They are made on the host in double precision, so they are the same on every machine. Axes: D width,
F hidden units, H heads, K head width.
"""

import abc
from collections.abc import Iterator
from typing import Any, ClassVar

import jax
import numpy as np

from identjax.errors import ConfigError
from identjax.models.families.gru import GRU
from identjax.models.families.lstm import LSTM
from identjax.models.families.rnn import RNN
from identjax.models.families.transformer import Transformer
from identjax.models.model import Model, Params
from identjax.registry import Registry


class Change(abc.ABC):
    """A change of parameters by a scale α (where it `scales`) and what is drawn from a seed."""

    name: ClassVar[str]
    scales: ClassVar[bool] = True
    # Whether it draws something: then α = 1 does not leave parameters as they are.
    draws: ClassVar[bool] = True

    @abc.abstractmethod
    def exact_for(self, model: Model) -> str:
        """Say for what the change is exact, where it is not for this model; nothing where it is."""

    @abc.abstractmethod
    def apply(self, model: Any, params: Any, alpha: float, random: np.random.Generator) -> None:
        """Change parameters in place; they are of one member, on the host."""


CHANGES: Registry[type[Change]] = Registry("change")


def check_change(model: Model, change: str, alpha: float) -> None:
    """Refuse a change that would change the function."""
    found = CHANGES[change]()
    if alpha <= 0:
        raise ConfigError("alpha", alpha, "above 0")
    if needed := found.exact_for(model):
        raise ConfigError("change", change, f"{needed} (it would change the function)")
    if alpha != 1 and not found.scales:
        raise ConfigError("alpha", alpha, f"1 where change is {change!r}")


def change_params(model: Model, params: Params, change: str, alpha: float, seed: int) -> Params:
    """Give one member's changed parameters, as host arrays of the same dtypes."""
    check_change(model, change, alpha)
    moved = jax.tree.map(lambda leaf: np.array(leaf, np.float64), params)
    CHANGES[change]().apply(model, moved, alpha, np.random.default_rng(seed))
    return jax.tree.map(lambda new, old: new.astype(old.dtype), moved, params)


@CHANGES.register("none")
class Unchanged(Change):
    """No change."""

    scales = draws = False

    def exact_for(self, model: Model) -> str:
        """Suits every model."""
        return ""

    def apply(self, model: Any, params: Any, alpha: float, random: np.random.Generator) -> None:
        """Do nothing."""


@CHANGES.register("rescale")
class Rescale(Change):
    """W₁, b₁ → αW₁, αb₁ and W₂ → W₂/α in every feed-forward net."""

    draws = False

    def exact_for(self, model: Model) -> str:
        """ReLU alone is positively homogeneous."""
        fits = isinstance(model, Transformer) and model.activation == "relu"
        return "" if fits else f"a transformer with activation 'relu', not {_describe(model)}"

    def apply(self, model: Any, params: Any, alpha: float, random: np.random.Generator) -> None:
        """Scale the way in and out."""
        for block in _blocks(params, "blocks"):
            block["up"]["kernel"] *= alpha
            block["up"]["bias"] *= alpha
            block["down"]["kernel"] /= alpha


@CHANGES.register("permute")
class Permute(Change):
    """Hidden units in another order: of every feed-forward net and value head, or of every cell."""

    scales = False

    def exact_for(self, model: Model) -> str:
        """Known for nets of blocks and of plain cells."""
        fits = isinstance(model, Transformer | LSTM | GRU | RNN)
        return "" if fits else f"a transformer, lstm, gru or rnn, not {_describe(model)}"

    def apply(self, model: Any, params: Any, alpha: float, random: np.random.Generator) -> None:
        """Move units and what reads them alike."""
        if isinstance(model, Transformer):
            _permute_blocks(model, params, random)
        else:
            _permute_cells(model, params, random)


@CHANGES.register("query_key")
class QueryKey(Change):
    """Q → QA and K → KA⁻ᵀ in every head, with A = αR and R a random rotation."""

    def exact_for(self, model: Model) -> str:
        """Rotary positions stand between queries and keys."""
        fits = isinstance(model, Transformer) and model.positions != "rope"
        return "" if fits else f"a transformer without rope positions, not {_describe(model)}"

    def apply(self, model: Any, params: Any, alpha: float, random: np.random.Generator) -> None:
        """Turn queries and keys alike, and scale them in opposite ways."""
        for block in _blocks(params, "blocks"):
            turn_HxKxK = _draw_rotations(model, random)
            for part in _split_heads(model, block["attention"]["qkv"]):
                part[..., 0, :, :] = alpha * _turn(part[..., 0, :, :], turn_HxKxK)
                part[..., 1, :, :] = _turn(part[..., 1, :, :], turn_HxKxK) / alpha


@CHANGES.register("value_output")
class ValueOutput(Change):
    """V → VA and O → A⁻¹O in every head, with A = αR and R a random rotation."""

    def exact_for(self, model: Model) -> str:
        """Nothing stands between values and the output map."""
        fits = isinstance(model, Transformer)
        return "" if fits else f"a transformer, not {_describe(model)}"

    def apply(self, model: Any, params: Any, alpha: float, random: np.random.Generator) -> None:
        """Turn and scale values, and undo it in the output map."""
        for block in _blocks(params, "blocks"):
            turn_HxKxK = _draw_rotations(model, random)
            attention = block["attention"]
            for part in _split_heads(model, attention["qkv"]):
                part[..., 2, :, :] = alpha * _turn(part[..., 2, :, :], turn_HxKxK)
            out_HxKxD = attention["out"]["kernel"].reshape(model.heads, -1, model.d_model)
            out_HxKxD[...] = np.einsum("hkl,hkd->hld", turn_HxKxK, out_HxKxD) / alpha


@CHANGES.register("all")
class All(Change):
    """Feed-forward nets, queries and keys, values and outputs: scaled by the same α at once."""

    parts = Rescale(), QueryKey(), ValueOutput()

    def exact_for(self, model: Model) -> str:
        """Needs what each of them needs."""
        return next(filter(None, (part.exact_for(model) for part in self.parts)), "")

    def apply(self, model: Any, params: Any, alpha: float, random: np.random.Generator) -> None:
        """Make one after the other."""
        for part in self.parts:
            part.apply(model, params, alpha, random)


def _permute_blocks(model: Transformer, params: Any, random: np.random.Generator) -> None:
    for block in _blocks(params, "blocks"):
        order_F = random.permutation(model.ff)
        for leaf in block["up"].values():
            # A gated net has two parts of F units each, which move alike.
            parts = leaf.reshape(*leaf.shape[:-1], -1, model.ff)
            parts[...] = parts[..., order_F]
        block["down"]["kernel"] = block["down"]["kernel"][order_F]
        order_K = random.permutation(model.d_model // model.heads)
        for part in _split_heads(model, block["attention"]["qkv"]):
            part[..., 2, :, :] = part[..., 2, :, :][..., order_K]
        out_HxKxD = block["attention"]["out"]["kernel"].reshape(model.heads, -1, model.d_model)
        out_HxKxD[...] = out_HxKxD[:, order_K]


def _permute_cells(model: Any, params: Any, random: np.random.Generator) -> None:
    cells = list(_blocks(params, "cells"))
    readers = [cell["project"] for cell in cells[1:]] + [params["head"]]
    for cell, reader in zip(cells, readers, strict=True):
        order = random.permutation(model.hidden)
        cell["recurrent"] = cell["recurrent"][order]
        for leaf in (cell["recurrent"], *cell["project"].values()):
            gates = leaf.reshape(*leaf.shape[:-1], -1, model.hidden)
            gates[...] = gates[..., order]
        if "inner_bias" in cell:
            cell["inner_bias"] = cell["inner_bias"][order]
        reader["kernel"] = reader["kernel"][order]


def _blocks(params: Any, name: str) -> Iterator[Any]:
    """Go through the layers in order."""
    for layer in range(sum(key.startswith(f"{name}_") for key in params)):
        yield params[f"{name}_{layer}"]


def _split_heads(model: Any, qkv: Any) -> Iterator[np.ndarray]:
    """Give views [..., 3, H, K] of the input projection: its kernel and its bias."""
    for leaf in qkv.values():
        yield leaf.reshape(*leaf.shape[:-1], 3, model.heads, -1)


def _draw_rotations(model: Any, random: np.random.Generator) -> np.ndarray:
    width = model.d_model // model.heads
    turn_HxKxK, upper = np.linalg.qr(random.normal(size=(model.heads, width, width)))
    # With these signs the law is the uniform one over all orthogonal matrices.
    return turn_HxKxK * np.sign(np.diagonal(upper, axis1=1, axis2=2))[:, None]


def _turn(x: np.ndarray, turn_HxKxK: np.ndarray) -> np.ndarray:
    found: np.ndarray = np.einsum("...hk,hkl->...hl", x, turn_HxKxK)
    return found


def _describe(model: Model) -> str:
    """Name what a change depends on."""
    family = type(model).__name__.lower()
    if not isinstance(model, Transformer):
        return family
    return f"{family} with activation {model.activation!r} and positions {model.positions!r}"
