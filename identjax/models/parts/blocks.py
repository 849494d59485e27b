"""Stacks of residual blocks with a cache each: what Mamba, LRU and xLSTM have in common."""

import abc
import dataclasses
from typing import Any, ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp

from identjax.models.linen import LinenModel, Net
from identjax.models.model import Cache, Dropout, choice
from identjax.models.parts import initial
from identjax.models.parts.dropout import drop
from identjax.models.parts.layers import Linear, Norm, Places, locate


class Mixer(nn.Module):
    """What a block does along the positions of a string; its cache is a pytree of arrays."""

    config: Any

    def start(self, dtype: Any) -> Cache:
        """Give the cache of a string of which nothing has been read."""
        raise NotImplementedError

    def advance(self, cache: Cache, x_D: jax.Array) -> tuple[Cache, jax.Array]:
        """Read one position."""
        raise NotImplementedError

    def __call__(self, x_BxTxD: jax.Array, places: Places) -> jax.Array:
        """Read all positions, of each string for itself."""
        raise NotImplementedError


class BlockNet(Net):
    """Embedding, x + mixer(norm(x)) for each mixer, a last norm, and a linear head."""

    def setup(self) -> None:
        c, v = self.config, self.config.vocabulary.size
        self.embed = initial.declare(self, "embed", initial.normal(1.0), v, c.d_model)
        self.layers = c.mixers()
        self.norms = [Norm(c.norm_type) for _ in range(len(self.layers) + 1)]
        self.head = Linear(v)

    def start(self, dtype: Any) -> Cache:
        """Give every mixer's empty cache."""
        return tuple(mixer.start(dtype) for mixer in self.layers)

    def advance(self, cache: Cache, token: jax.Array) -> tuple[Cache, jax.Array]:
        """Read one token with every mixer."""
        begins, x_D = token == self.config.vocabulary.bos, self.embed[token]
        first = self.start(x_D.dtype)
        cache = jax.tree.map(lambda new, old: jnp.where(begins, new, old), first, cache)
        moved = []
        for norm, mixer, state in zip(self.norms, self.layers, cache, strict=False):
            state, y_D = mixer.advance(state, norm(x_D))
            x_D = x_D + y_D
            moved.append(state)
        return tuple(moved), self.head(self.norms[-1](x_D))

    def __call__(self, tokens_BxT: jax.Array, dropout: Dropout | None = None) -> jax.Array:
        places = locate(tokens_BxT, self.config.vocabulary.bos)
        x_BxTxD = self.embed[tokens_BxT]
        for site, (norm, mixer) in enumerate(zip(self.norms, self.layers, strict=False)):
            x_BxTxD = x_BxTxD + drop(mixer(norm(x_BxTxD), places), dropout, site)
        return self.head(self.norms[-1](x_BxTxD))


@dataclasses.dataclass(frozen=True)
class BlockModel(LinenModel):
    """Residual blocks, each of a mixer that the family makes."""

    d_model: int = 16
    layers: int = 2
    norm_type: str = choice("layer", "rms")

    widest_scan: ClassVar[int] = 0

    @property
    def scans_on_cpu(self) -> bool:
        """Say yes to nets up to `widest_scan`, whose states stay in the caches."""
        return self.d_model <= self.widest_scan

    @abc.abstractmethod
    def mixers(self) -> list[Mixer]:
        """Make the mixers in order."""

    def net(self) -> Net:
        return BlockNet(self)
