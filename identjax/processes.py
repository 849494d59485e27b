"""Several processes as one run: all that they tell each other goes through here, between chunks.

A process that runs alone hears only itself, so callers need not ask how many there are.
"""

import contextlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import numpy as np
from flax.traverse_util import flatten_dict
from jax.experimental import multihost_utils

from identjax.errors import ConfigError


class RefusedElsewhere(RuntimeError):
    """Another process of this run has stopped with this line; so do all."""

    def __init__(self, line: str, is_usage: bool) -> None:
        super().__init__(line)
        self.is_usage = is_usage


def is_first() -> bool:
    """Tell whether this process speaks for all."""
    return jax.process_index() == 0


def gather(arrays: Any) -> Any:
    """Give the host arrays of all processes, put together along their first axis."""
    return (
        arrays
        if jax.process_count() == 1
        else multihost_utils.process_allgather(arrays, tiled=True)
    )


def fetch(stack: Any) -> Any:
    """Give the part of arrays over all devices that is on this process's, as host arrays."""
    if jax.process_count() == 1:
        return jax.device_get(stack)

    def own(leaf: jax.Array) -> Any:
        parts = sorted(leaf.addressable_shards, key=lambda shard: shard.index[0].start or 0)
        return np.concatenate(jax.device_get([shard.data for shard in parts]))

    return jax.tree.map(own, stack)


def exchange(value: Any) -> list[Any]:
    """Give what each process has to say, as JSON can."""
    if jax.process_count() == 1:
        return [value]
    data = np.frombuffer(json.dumps(value).encode(), np.uint8)
    sizes = gather(np.array([data.size], np.int32))
    # Few lengths, hence few programs.
    row = np.zeros((1, 1 << int(sizes.max()).bit_length()), np.uint8)
    row[0, : data.size] = data
    rows = gather(row)
    return [json.loads(row[:size].tobytes()) for row, size in zip(rows, sizes, strict=True)]


def agree(stop: bool, due: bool) -> tuple[bool, bool]:
    """Stop where any process was asked to; for what is due, the first one's clock decides."""
    if jax.process_count() == 1:
        return stop, due
    told = gather(np.array([[stop, due]], np.int32))
    return bool(told[:, 0].any()), bool(told[0, 1])


def expect_same(facts: Mapping[str, Any]) -> None:
    """Refuse, in all processes, if any has other facts than the first."""
    first, *others = (flatten_dict(told, sep=".") for told in exchange(dict(facts)))
    for number, other in enumerate(others, 1):
        for name in sorted(first.keys() | other.keys()):
            if other.get(name) != first.get(name):
                allowed = f"{first.get(name)!r} as in process 0; all processes run the same"
                raise ConfigError(f"process {number}: {name}", other.get(name), allowed)


@contextlib.contextmanager
def together() -> Iterator[None]:
    """Stop all processes where the block fails in one of them."""
    mine: Exception | None = None
    try:
        yield
    except (ConfigError, RuntimeError) as error:
        mine = error
    told = exchange(None if mine is None else [str(mine), isinstance(mine, ConfigError)])
    if mine is not None:
        raise mine
    for number, line in enumerate(told):
        if line is not None:
            raise RefusedElsewhere(f"process {number}: {line[0]}", line[1])
