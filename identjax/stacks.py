"""Stacks of members: how many they hold, some of them, and a function over all of them.

A stack is a predictor whose arrays lead with the members. It is cut on the host into pieces of
one canonical width, the last one padded, so that a function is compiled once per group of members
whatever their number.
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from identjax.predictor import Predictor

# What one piece may take on all devices together, in bytes; accelerators have more room.
PIECE_BYTES = 1 << 27
ACCELERATOR_FACTOR = 32
_MEMBER, _SHARED = PartitionSpec("member"), PartitionSpec()


def count_members(stack: Predictor) -> int:
    """Give the number of members in a stack."""
    return int(jax.tree.leaves(stack)[0].shape[0])


def take_members(stack: Predictor, rows: Sequence[int] | np.ndarray) -> Predictor:
    """Give the stack of the members in these rows."""
    index = np.asarray(rows, np.int64)
    return jax.tree.map(lambda leaf: np.asarray(leaf)[index], stack)


def map_members(
    function: Callable[..., Any],
    stack: Predictor,
    *shared: Any,
    member_bytes: float = 0.0,
    members: int | None = None,
) -> Any:
    """Call `function(stack, *shared)` on pieces of a stack; give arrays with the axis M whole.

    `function` must be defined once (at module level), or it is compiled again at each call. It
    sees a piece of the stack, and gives arrays that lead with its members. `member_bytes` is an
    estimate of what one member takes; `members` is how many there may be in later calls, so
    that all of them share one width.
    """
    m, devices = count_members(stack), jax.device_count()
    share = -(-max(m, members or 0) // devices)
    room = PIECE_BYTES * (1 if jax.default_backend() == "cpu" else ACCELERATOR_FACTOR)
    fits = max(1, int(room / devices / max(member_bytes, 1.0)))
    width = min(1 << (share - 1).bit_length(), 1 << int(math.log2(fits)))
    call, at_once = spread_rows(function), width * devices
    mesh = member_mesh(devices)
    rows = NamedSharding(mesh, _MEMBER)
    placed = jax.device_put(shared, NamedSharding(mesh, _SHARED))
    pieces = []
    for first in range(0, m, at_once):
        index = np.minimum(np.arange(first, first + at_once), m - 1)
        piece = jax.device_put(take_members(stack, index), rows)
        found = jax.device_get(call(piece, *placed))
        kept = min(at_once, m - first)
        pieces.append(jax.tree.map(lambda leaf, kept=kept: leaf[:kept], found))
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *pieces)


@functools.cache
def member_mesh(devices: int) -> jax.sharding.Mesh:
    """Give the mesh of all devices, whose one axis is `member`."""
    return jax.make_mesh((devices,), ("member",), axis_types=(AxisType.Auto,))


@functools.cache
def spread_rows(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function so that each device gets its own rows of the first argument alone."""

    def over_devices(rows: Any, *shared: Any) -> Any:
        specs = (_MEMBER, *(_SHARED for _ in shared))
        mesh = member_mesh(jax.device_count())
        # Loops inside stop on each device by themselves, which the check cannot express.
        return jax.shard_map(
            function, mesh=mesh, in_specs=specs, out_specs=_MEMBER, check_vma=False
        )(rows, *shared)

    return jax.jit(over_devices)
