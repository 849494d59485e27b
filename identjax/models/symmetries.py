"""Changes of a net's parameters that leave its function as it is, up to rounding.

They are made on the host in double precision, so they are the same on every machine. A model says
which of them it has and how each is made there (`Model.symmetries`).
"""

import abc
from typing import Any, ClassVar

import jax
import numpy as np

from identjax.errors import ConfigError
from identjax.models.model import Model, Params
from identjax.registry import Registry


class Change(abc.ABC):
    """A change of parameters by a scale α (where it `scales`) and what it `draws` from a seed.

    Where it draws nothing, α = 1 leaves parameters as they are.
    """

    scales: ClassVar[bool] = True
    draws: ClassVar[bool] = True

    @property
    def label(self) -> str:
        """What figures call it."""
        return type(self).__name__

    @abc.abstractmethod
    def exact_for(self, model: Model) -> str:
        """Say for what the change is exact, where it is not for this model; nothing where it is."""

    @abc.abstractmethod
    def apply(self, model: Any, params: Params, alpha: float, random: np.random.Generator) -> None:
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

    label = "unchanged"
    scales = draws = False

    def exact_for(self, model: Model) -> str:
        return ""

    def apply(self, model: Any, params: Params, alpha: float, random: np.random.Generator) -> None:
        """Do nothing."""


class Declared(Change):
    """A change that a model declares under this name, for the models that do."""

    name: ClassVar[str]
    needs: ClassVar[str]

    def exact_for(self, model: Model) -> str:
        return "" if self.name in model.symmetries() else f"{self.needs}, not {_describe(model)}"

    def apply(self, model: Any, params: Params, alpha: float, random: np.random.Generator) -> None:
        model.symmetries()[self.name](params, alpha, random)


@CHANGES.register("rescale")
class Rescale(Declared):
    """W₁, b₁ → αW₁, αb₁ and W₂ → W₂/α in every feed-forward net."""

    name, label = "rescale", "feed-forward nets"
    draws = False
    needs = "a transformer with activation 'relu'"


@CHANGES.register("permute")
class Permute(Declared):
    """Hidden units in another order: of every feed-forward net and value head, or of every cell."""

    name, label = "permute", "permuted units"
    scales = False
    needs = "a transformer, lstm, gru or rnn"


@CHANGES.register("query_key")
class QueryKey(Declared):
    """Q → QA and K → KA⁻ᵀ in every head, with A = αR and R a random rotation."""

    name, label = "query_key", "queries and keys"
    needs = "a transformer without rope positions"


@CHANGES.register("value_output")
class ValueOutput(Declared):
    """V → VA and O → A⁻¹O in every head, with A = αR and R a random rotation."""

    name, label = "value_output", "values and outputs"
    needs = "a transformer"


@CHANGES.register("all")
class All(Change):
    """Feed-forward nets, queries and keys, values and outputs: scaled by the same α at once."""

    label = "all three"
    parts = Rescale(), QueryKey(), ValueOutput()

    def exact_for(self, model: Model) -> str:
        return next(filter(None, (part.exact_for(model) for part in self.parts)), "")

    def apply(self, model: Any, params: Params, alpha: float, random: np.random.Generator) -> None:
        for part in self.parts:
            part.apply(model, params, alpha, random)


def _describe(model: Model) -> str:
    """Name a model, and the options that are words: a change may depend on these."""
    words = [f"{name} {value!r}" for name, value in model.options().items() if type(value) is str]
    family = type(model).__name__.lower()
    return f"{family} with {', '.join(words)}" if words else family
