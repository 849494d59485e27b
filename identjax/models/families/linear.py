"""The causal linear model of Mészáros et al. (2024), with its mask the right way round."""

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from identjax.models.linen import LinenModel, Net
from identjax.models.model import MODELS, Cache, Dropout, Params
from identjax.models.parts import initial
from identjax.models.parts.dropout import drop


@MODELS.register("linear")
@dataclasses.dataclass(frozen=True)
class LinearModel(LinenModel):
    """logits[t] = Σ_{s≤t} W[s,t]·embed(x_s) + b[t]; dropout acts on the embeddings.

    Its weights belong to absolute positions, 0 to max_length, so it is given one string per row.
    """

    embedding: int = 4

    presets = {"small": {}, "paper": {"embedding": 10}}  # noqa: RUF012
    packs = False

    def net(self) -> Net:
        return LinearNet(self)

    def learned_length(self, params: Params) -> int | None:
        """Count the positions that have weights."""
        return int(params["bias"].shape[-2]) - 1


class LinearNet(Net):
    """An embedding, and one matrix for each pair of positions."""

    def setup(self) -> None:
        """Declare the parameters, with the published initial values."""
        c, v, t = self.config, self.config.vocabulary.size, self.config.max_length + 1
        self.embed = initial.declare(self, "embed", initial.normal(1.0), v, c.embedding)
        bound = math.sqrt(6 / ((c.embedding + t) * t * v))
        self.kernel = initial.declare(self, "kernel", initial.within(bound), t, c.embedding, t, v)
        self.bias = initial.declare(self, "bias", jnp.zeros_like, t, v)

    def start(self, dtype: Any) -> Cache:
        """Give position 0 and a zero sum for every position to come."""
        c = self.config
        return jnp.int32(0), jnp.zeros((c.max_length + 1, c.vocabulary.size), dtype)

    def advance(self, cache: Cache, token: jax.Array) -> tuple[Cache, jax.Array]:
        """Add what the token gives to every position; positions past the table give zeros."""
        position, sums_TxV = cache
        begins = token == self.config.vocabulary.bos
        position = jnp.where(begins, 0, position)
        sums_TxV = jnp.where(begins, 0, sums_TxV)
        sums_TxV = sums_TxV + jnp.einsum("e,etv->tv", self.embed[token], self.kernel[position])
        logits_V = sums_TxV[position] + self.bias[position]
        inside = position <= self.config.max_length
        return (position + 1, sums_TxV), jnp.where(inside, logits_V, 0)

    def __call__(self, tokens_BxT: jax.Array, dropout: Dropout | None = None) -> jax.Array:
        """Give logits at every position, [B, T, V]; positions past the table give zeros."""
        past = max(0, tokens_BxT.shape[1] - self.bias.shape[0])
        t = tokens_BxT.shape[1] - past
        x_BxSxE = drop(self.embed[tokens_BxT[:, :t]], dropout)
        index_T = lax.iota(jnp.int32, t)
        causal_SxT = index_T[:, None] <= index_T[None, :]
        kernel = jnp.where(causal_SxT[:, None, :, None], self.kernel[:t, :, :t], 0)
        logits_BxTxV = jnp.einsum("bse,setv->btv", x_BxSxE, kernel) + self.bias[None, :t]
        return jnp.pad(logits_BxTxV, ((0, 0), (0, past), (0, 0)))
