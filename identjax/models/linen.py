"""Models whose network is a Flax module: one definition for the parallel form and the step."""

import abc
import dataclasses
from typing import Any, cast

import flax.linen as nn
import jax
import jax.numpy as jnp

from identjax.errors import ConfigError
from identjax.models.model import Cache, Dropout, Model, Params
from identjax.models.parts.initial import draw


class Net(nn.Module):
    """A network with three methods, of which `start` reads no parameter.

    `__call__(tokens_BxT, dropout)` gives logits [B, T, V], `start(dtype)` the cache of a sequence
    of which nothing has been read, and `advance(cache, token)` the next cache and logits [V].
    """

    config: Any


@dataclasses.dataclass(frozen=True)
class LinenModel(Model):
    """A model that hands everything to its network."""

    @abc.abstractmethod
    def net(self) -> Net:
        """Make the network; its `config` is this model."""

    def init(self, key: jax.Array) -> Params:
        tokens = jnp.zeros((1, 2), jnp.int32)
        declared = jax.eval_shape(self.net().init, key, tokens)
        return draw(key, declared["params"])

    def logits(
        self, params: Params, tokens_BxT: jax.Array, dropout: Dropout | None = None
    ) -> jax.Array:
        self.check_params(params)
        if not self.packs:
            self.check_positions(tokens_BxT.shape[1])
        return cast(jax.Array, self.net().apply({"params": params}, tokens_BxT, dropout))

    def start(self, params: Params) -> Cache:
        """Make an empty cache in the parameters' own dtype."""
        self.check_params(params)
        dtype = jax.tree.leaves(params)[0].dtype
        return self.net().apply({"params": params}, dtype, method="start")

    def advance(self, params: Params, cache: Cache, token: jax.Array) -> tuple[Cache, jax.Array]:
        moved = self.net().apply({"params": params}, cache, token, method="advance")
        return cast(tuple[Cache, jax.Array], moved)

    def check_params(self, params: Params) -> None:
        """Raise ConfigError where a table of positions was learned for another maximum length."""
        learned = self.learned_length(params)
        if learned not in (None, self.max_length):
            allowed = f"{learned}, the maximum length that the weights were learned for"
            raise ConfigError("max_length", self.max_length, allowed)
