"""The mLSTM's matrix memory in its three forms, which agree: parallel, chunked, recurrent.

f̂ = log σ(f); m' = max(f̂ + m, i); C' = e^{f̂+m−m'} C + e^{i−m'} k vᵀ, n' likewise with k alone;
h = qᵀC' / max(|qᵀn'|, e^{−m'}), with k divided by √K (Beck et al. 2024). h does not depend on m,
which only keeps the numbers in range, so no gradient goes through it.
Axes: B row, H head, T or C position, K head width; `string` tells the strings of a row apart.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

NEVER = -1e30
FLOOR = -60.0


class Gated(NamedTuple):
    """Queries, keys, values [B, T, H, K] and raw input and forget gates [B, T, H]."""

    q: jax.Array
    k: jax.Array
    v: jax.Array
    i: jax.Array
    f: jax.Array


class Memory(NamedTuple):
    """The matrix C [..., H, K, K], the sum of keys n [..., H, K], and the scale m [..., H]."""

    matrix: jax.Array
    keys: jax.Array
    scale: jax.Array


def start_memory(shape: tuple[int, ...], width: int, dtype: jax.typing.DTypeLike) -> Memory:
    """Give an empty memory of leading shape [..., H]."""
    zeros = jnp.zeros((*shape, width, width), dtype)
    return Memory(zeros, zeros[..., 0], jnp.full(shape, NEVER, dtype))


def _divide(weighted: jax.Array, total: jax.Array, scale: jax.Array) -> jax.Array:
    least = jnp.exp(-jnp.maximum(scale, FLOOR))
    return weighted / jnp.maximum(jnp.abs(total), least)[..., None]


def step_memory(memory: Memory, at: Gated) -> tuple[Memory, jax.Array]:
    """Read one position, of arrays without the axes B and T: the new memory, and h [H, K]."""
    forget = jax.nn.log_sigmoid(at.f)
    scale = lax.stop_gradient(jnp.maximum(forget + memory.scale, at.i))
    keep = jnp.exp(forget + memory.scale - scale)[..., None]
    key = at.k * at.k.shape[-1] ** -0.5 * jnp.exp(at.i - scale)[..., None]
    matrix = keep[..., None] * memory.matrix + key[..., :, None] * at.v[..., None, :]
    keys = keep * memory.keys + key
    weighted = (at.q[..., :, None] * matrix).sum(-2)
    h = _divide(weighted, (at.q * keys).sum(-1), scale)
    return Memory(matrix, keys, scale), h


def mix_parallel(x: Gated, string_BxT: jax.Array) -> jax.Array:
    """Give h [B, T, H, K] with one weight for each pair of positions, [B, H, T, T]."""
    empty = start_memory((x.q.shape[0], x.q.shape[2]), x.q.shape[-1], x.q.dtype)
    return _mix_chunk(x, string_BxT, empty, None)[1]


def mix_chunked(x: Gated, string_BxT: jax.Array, chunk: int) -> jax.Array:
    """Give the same with weights within chunks alone, and a memory carried between them.

    Chunks are of one size, `chunk` at most, with as little padding as that leaves.
    """
    b, t, heads, width = x.q.shape
    chunk = -(-t // -(-t // chunk))
    past = -t % chunk
    parts = [jnp.pad(a, [(0, 0), (0, past)] + [(0, 0)] * (a.ndim - 2)) for a in (*x, string_BxT)]
    cut = [jnp.moveaxis(a.reshape(b, -1, chunk, *a.shape[2:]), 1, 0) for a in parts]
    # The scan starts with an empty memory of a string that no row has.
    first = (start_memory((b, heads), width, x.q.dtype), jnp.full((b,), -1, jnp.int32))

    def read(
        carry: tuple[Memory, jax.Array], at: tuple[Gated, jax.Array]
    ) -> tuple[tuple[Memory, jax.Array], jax.Array]:
        memory, h = _mix_chunk(*at, *carry)
        return (memory, at[1][:, -1]), h

    h = lax.scan(read, first, (Gated(*cut[:5]), cut[5]))[1]
    return jnp.moveaxis(h, 0, 1).reshape(b, -1, heads, width)[:, :t]


def _mix_chunk(
    x: Gated, string_BxC: jax.Array, memory: Memory, string_B: jax.Array | None
) -> tuple[Memory, jax.Array]:
    """Give the memory after a chunk and h in it; without `string_B` nothing came before."""
    k = x.k * x.k.shape[-1] ** -0.5
    i_BxHxC = jnp.moveaxis(x.i, 1, 2)
    decay_BxHxC = jnp.cumsum(jax.nn.log_sigmoid(jnp.moveaxis(x.f, 1, 2)), -1)
    index_C = lax.iota(jnp.int32, string_BxC.shape[1])
    seen = (string_BxC[:, :, None] == string_BxC[:, None]) & (index_C[:, None] >= index_C[None])[
        None
    ]
    reach = decay_BxHxC[..., :, None] - decay_BxHxC[..., None, :] + i_BxHxC[..., None, :]
    reach = jnp.where(seen[:, None], reach, NEVER)
    top = reach.max(-1)
    if string_B is not None:
        same = (string_BxC == string_B[:, None])[:, None]
        before = jnp.where(same, decay_BxHxC + memory.scale[..., None], NEVER)
        top = jnp.maximum(top, before)
    top = lax.stop_gradient(top)
    weights = jnp.einsum("bthk,bshk->bhts", x.q, k) * jnp.exp(reach - top[..., None])
    weighted = jnp.einsum("bhts,bshk->bhtk", weights, x.v)
    total = weights.sum(-1)
    if string_B is None:
        return memory, jnp.moveaxis(_divide(weighted, total, top), 2, 1)
    share = jnp.exp(before - top)
    weighted = weighted + share[..., None] * jnp.einsum("bthk,bhkl->bhtl", x.q, memory.matrix)
    total = total + share * jnp.einsum("bthk,bhk->bht", x.q, memory.keys)
    # What the last position of the chunk remembers is the memory that goes on.
    scale, into, keep = top[..., -1], jnp.exp(reach[..., -1, :] - top[..., -1:]), share[..., -1:]
    matrix = jnp.einsum("bhs,bshk,bshl->bhkl", into, k, x.v) + keep[..., None] * memory.matrix
    keys = jnp.einsum("bhs,bshk->bhk", into, k) + keep * memory.keys
    return Memory(matrix, keys, scale), jnp.moveaxis(_divide(weighted, total, top), 2, 1)
