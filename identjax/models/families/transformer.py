"""Decoder-only Transformer (Vaswani et al. 2017), with pre- or post-norm and several positions."""

import dataclasses
import math
from collections.abc import Iterator, Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from identjax.errors import ConfigError
from identjax.models.linen import LinenModel, Net
from identjax.models.model import MODELS, Cache, Dropout, Move, Params, choice
from identjax.models.parts import initial
from identjax.models.parts.attention import Sight, attend, attend_last
from identjax.models.parts.dropout import drop
from identjax.models.parts.layers import Linear, Norm, activate, each_layer, locate
from identjax.models.parts.positions import bias_by_bucket, bias_linearly, rotate, sinusoids

BUCKETS = 32


@MODELS.register("transformer")
@dataclasses.dataclass(frozen=True)
class Transformer(LinenModel):
    """Causal Transformer; dropout acts on embeddings, attention weights, FFN and branches.

    Rows longer than `query_block` attend in equal blocks of queries, with no work on keys beyond
    the block.
    """

    d_model: int = 32
    heads: int = 4
    layers: int = 2
    ff: int = 128
    norm: str = choice("pre", "post")
    norm_type: str = choice("layer", "rms")
    epsilon: float = 1e-5
    activation: str = choice("relu", "gelu", "swiglu")
    positions: str = choice("sinusoidal", "none", "learned", "rope", "alibi", "relative")
    tie: bool = False
    query_block: int = 128

    presets = {  # noqa: RUF012
        "small": {},
        "paper": {
            "d_model": 10,
            "heads": 5,
            "layers": 7,
            "ff": 1024,
            "norm": "post",
            "epsilon": 6e-3,
        },
    }

    def check(self) -> None:
        if self.d_model % self.heads:
            fits = [h for h in range(1, self.d_model + 1) if self.d_model % h == 0]
            allowed = f"a divisor of d_model={self.d_model}: {', '.join(map(str, fits))}"
            raise ConfigError("heads", self.heads, allowed)
        if self.positions == "sinusoidal" and self.d_model % 2:
            raise ConfigError("d_model", self.d_model, "even, for sinusoidal positions")
        if self.positions == "rope" and (self.d_model // self.heads) % 2:
            raise ConfigError("heads", self.heads, "an even head width, for rope positions")

    def net(self) -> Net:
        return TransformerNet(self)

    def learned_length(self, params: Params) -> int | None:
        """Count the rows of a learned position table."""
        return params["positions"].shape[-2] - 2 if self.positions == "learned" else None

    def row_floats(self, length: int) -> int:
        """Count the scores of all heads, or the hidden units, whichever are more."""
        return length * max(self.heads * length, self.ff)

    def symmetries(self) -> Mapping[str, Move]:
        """Declare what scales, rotations and orders leave as it is.

        ReLU alone is positively homogeneous; rotary positions stand between queries and keys.
        """
        found: dict[str, Move] = {"value_output": self.turn_values, "permute": self.permute_units}
        if self.activation == "relu":
            found["rescale"] = rescale_nets
        if self.positions != "rope":
            found["query_key"] = self.turn_queries
        return found

    def turn_queries(self, params: Params, alpha: float, random: np.random.Generator) -> None:
        """Turn queries and keys alike, and scale them in opposite ways."""
        for _, inputs, _ in self.view_blocks(params):
            turn_HxKxK = self.draw_rotations(random)
            for query, key, _ in inputs:
                query[...] = alpha * _turn(query, turn_HxKxK)
                key[...] = _turn(key, turn_HxKxK) / alpha

    def turn_values(self, params: Params, alpha: float, random: np.random.Generator) -> None:
        """Turn and scale values, and undo it in the output map."""
        for _, inputs, out_HxKxD in self.view_blocks(params):
            turn_HxKxK = self.draw_rotations(random)
            for *_, value in inputs:
                value[...] = alpha * _turn(value, turn_HxKxK)
            out_HxKxD[...] = np.einsum("hkl,hkd->hld", turn_HxKxK, out_HxKxD) / alpha

    def permute_units(self, params: Params, alpha: float, random: np.random.Generator) -> None:
        """Give hidden units and value features another order, and what reads them alike."""
        for block, inputs, out_HxKxD in self.view_blocks(params):
            order_F = random.permutation(self.ff)
            for leaf in block["up"].values():
                # A gated net has two parts of F units each, which move alike.
                parts = leaf.reshape(*leaf.shape[:-1], -1, self.ff)
                parts[...] = parts[..., order_F]
            block["down"]["kernel"] = block["down"]["kernel"][order_F]
            order_K = random.permutation(self.d_model // self.heads)
            for *_, value in inputs:
                value[...] = value[..., order_K]
            out_HxKxD[...] = out_HxKxD[:, order_K]

    def view_blocks(self, params: Params) -> Iterator[tuple[Any, list[np.ndarray], np.ndarray]]:
        """Give each block, with views by head of its attention: of the kernel and the bias that
        make queries, keys and values, [3, ..., H, K], and of the output map, [H, K, D].
        """
        for block in each_layer(params, "blocks"):
            leaves = block["attention"]["qkv"].values()
            split = [leaf.reshape(*leaf.shape[:-1], 3, self.heads, -1) for leaf in leaves]
            out_HxKxD = block["attention"]["out"]["kernel"].reshape(self.heads, -1, self.d_model)
            yield block, [np.moveaxis(leaf, -3, 0) for leaf in split], out_HxKxD

    def draw_rotations(self, random: np.random.Generator) -> np.ndarray:
        """Draw an orthogonal matrix [K, K] for each head, uniformly."""
        width = self.d_model // self.heads
        turn_HxKxK, upper = np.linalg.qr(random.normal(size=(self.heads, width, width)))
        # With these signs all orthogonal matrices are equally likely.
        return turn_HxKxK * np.sign(np.diagonal(upper, axis1=1, axis2=2))[:, None]


def rescale_nets(params: Params, alpha: float, random: np.random.Generator) -> None:
    """Scale the way in and out of every feed-forward net."""
    for block in each_layer(params, "blocks"):
        block["up"]["kernel"] *= alpha
        block["up"]["bias"] *= alpha
        block["down"]["kernel"] /= alpha


def _turn(x: np.ndarray, turn_HxKxK: np.ndarray) -> np.ndarray:
    return np.einsum("...hk,hkl->...hl", x, turn_HxKxK)


class Attention(nn.Module):
    """Causal self-attention with several heads, within each string of a row."""

    config: Transformer

    def setup(self) -> None:
        d = self.config.d_model
        self.qkv = Linear(3 * d, kernel_initial=initial.xavier, bias_initial=jnp.zeros_like)
        self.out = Linear(d, bias_initial=jnp.zeros_like)

    def project(self, x: jax.Array, position: jax.Array) -> tuple[jax.Array, ...]:
        """Give queries, keys and values [..., H, K] of inputs [..., D]."""
        c = self.config
        split = self.qkv(x).reshape(*x.shape[:-1], 3, c.heads, c.d_model // c.heads)
        q, k, v = (split[..., i, :, :] for i in range(3))
        if c.positions == "rope":
            q, k = rotate(q, position), rotate(k, position)
        return q, k, v

    def mix(
        self, qkv: tuple[jax.Array, ...], sight: Sight, dropout: Dropout | None, site: int
    ) -> jax.Array:
        """Attend with all queries of a row, in blocks where it is long."""
        q, k, v = qkv
        t, block = q.shape[1], self.config.query_block
        block = -(-t // -(-t // block))
        if t <= block:
            mixed = attend(q, k, v, sight, dropout, site)
        else:
            parts = [
                attend(
                    q[:, at : at + block],
                    k[:, : at + block],
                    v[:, : at + block],
                    sight.cut(at, at + block),
                    dropout,
                    site * t + at,
                )
                for at in range(0, t, block)
            ]
            mixed = jnp.concatenate(parts, 1)
        return self.join(mixed)

    def join(self, mixed: jax.Array) -> jax.Array:
        """Bring the heads [..., H, K] together."""
        return self.out(mixed.reshape(*mixed.shape[:-2], self.config.d_model))

    def advance(
        self, x_D: jax.Array, cache: Cache, position: jax.Array, sight: Sight
    ) -> tuple[Any, jax.Array]:
        """Read one position: the new keys and values, and the output [D]."""
        q, k, v = self.project(x_D, position)
        keys, values = (
            lax.dynamic_update_index_in_dim(old, new, position, 2)
            for old, new in zip(cache, (k, v), strict=True)
        )
        return (keys, values), self.join(attend_last(q, keys, values, sight))


class TransformerBlock(nn.Module):
    """Attention and a feed-forward net, each with a residual branch and a norm."""

    config: Transformer

    def setup(self) -> None:
        c = self.config
        self.attention = Attention(c)
        self.norms = [Norm(c.norm_type, c.epsilon) for _ in range(2)]
        self.up = Linear(c.ff * (2 if c.activation == "swiglu" else 1))
        self.down = Linear(c.d_model)

    def before(self, x: jax.Array, branch: int) -> jax.Array:
        """Give what a branch reads."""
        return self.norms[branch](x) if self.config.norm == "pre" else x

    def after(
        self, x: jax.Array, branch: int, y: jax.Array, dropout: Dropout | None, site: int
    ) -> jax.Array:
        """Add what a branch gave."""
        x = x + drop(y, dropout, site, 1 + branch)
        return x if self.config.norm == "pre" else self.norms[branch](x)

    def feed(self, x: jax.Array, dropout: Dropout | None = None, site: int = 0) -> jax.Array:
        """Apply the feed-forward branch."""
        hidden = activate(self.up(self.before(x, 1)), self.config.activation)
        y = self.down(drop(hidden, dropout, site, 3))
        return self.after(x, 1, y, dropout, site)

    def advance(
        self, x_D: jax.Array, cache: Cache, position: jax.Array, sight: Sight
    ) -> tuple[Any, jax.Array]:
        """Read one position."""
        cache, y_D = self.attention.advance(self.before(x_D, 0), cache, position, sight)
        return cache, self.feed(self.after(x_D, 0, y_D, None, 0))

    def __call__(
        self,
        x: jax.Array,
        position: jax.Array,
        sight: Sight,
        dropout: Dropout | None,
        site: int,
    ) -> jax.Array:
        qkv = self.attention.project(self.before(x, 0), position)
        y = self.attention.mix(qkv, sight, dropout, site)
        return self.feed(self.after(x, 0, y, dropout, site), dropout, site)


class TransformerNet(Net):
    """Embedding and positions, blocks, a last norm where norms come first, and a linear head."""

    def setup(self) -> None:
        c, v = self.config, self.config.vocabulary.size
        normal = initial.normal(1 / math.sqrt(c.d_model) if c.tie else 1.0)
        self.embed = initial.declare(self, "embed", normal, v, c.d_model)
        if c.positions == "learned":
            normal = initial.normal(0.02)
            self.positions = initial.declare(self, "positions", normal, c.max_length + 2, c.d_model)
        if c.positions == "relative":
            self.relative = initial.declare(
                self, "relative", initial.normal(0.02), BUCKETS, c.heads
            )
        self.blocks = [TransformerBlock(c) for _ in range(c.layers)]
        if c.norm == "pre":
            self.last = Norm(c.norm_type, c.epsilon)
        if not c.tie:
            self.head = Linear(v)

    def enter(self, tokens: jax.Array, position: jax.Array) -> jax.Array:
        """Embed tokens of any shape at their positions."""
        c = self.config
        x = self.embed[tokens]
        x = x * math.sqrt(c.d_model)
        if c.positions == "learned":
            x = x + self.positions[position]
        if c.positions == "sinusoidal":
            x = x + sinusoids(position, c.d_model, x.dtype)
        return x

    def look(self, allowed: jax.Array, distance: jax.Array) -> Sight:
        """Make the sight of queries with keys at distances [T, S]."""
        c = self.config
        if c.positions == "alibi":
            return Sight(allowed, bias_linearly(distance, c.heads, self.embed.dtype))
        if c.positions == "relative":
            return Sight(allowed, bias_by_bucket(distance, self.relative))
        return Sight(allowed, None)

    def leave(self, x: jax.Array) -> jax.Array:
        """Give logits."""
        if self.config.norm == "pre":
            x = self.last(x)
        return x @ self.embed.T if self.config.tie else self.head(x)

    def start(self, dtype: Any) -> Cache:
        """Give empty keys and values for every layer, and position 0."""
        c = self.config
        empty = jnp.zeros((c.heads, c.d_model // c.heads, c.max_length + 2), dtype)
        return jnp.int32(0), ((empty, empty),) * c.layers

    def advance(self, cache: Cache, token: jax.Array) -> tuple[Cache, jax.Array]:
        """Read one token, at position 0 again if it is BOS."""
        c, (position, layers) = self.config, cache
        position = jnp.where(token == c.vocabulary.bos, 0, position)
        distance_S = position - jnp.arange(c.max_length + 2, dtype=position.dtype)
        sight = self.look((distance_S >= 0)[None, None], distance_S[None])
        x_D, moved = self.enter(token, position), []
        for block, layer in zip(self.blocks, layers, strict=True):
            layer, x_D = block.advance(x_D, layer, position, sight)
            moved.append(layer)
        return (position + 1, tuple(moved)), self.leave(x_D)

    def __call__(self, tokens_BxT: jax.Array, dropout: Dropout | None = None) -> jax.Array:
        string_BxT, position_BxT = locate(tokens_BxT, self.config.vocabulary.bos)
        index_T = lax.iota(jnp.int32, tokens_BxT.shape[1])
        distance_TxS = index_T[:, None] - index_T[None]
        allowed_BxTxS = string_BxT[:, :, None] == string_BxT[:, None, :]
        sight = self.look(allowed_BxTxS & (distance_TxS >= 0)[None], distance_TxS)
        x_BxTxD = drop(self.enter(tokens_BxT, position_BxT), dropout, len(self.blocks), 0)
        for site, block in enumerate(self.blocks):
            x_BxTxD = block(x_BxTxD, position_BxT, sight, dropout, site)
        return self.leave(x_BxTxD)
