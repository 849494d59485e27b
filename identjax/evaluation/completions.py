"""Continuations of the same prompts by every member of a stack."""

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from identjax.keys import Purpose, key_for
from identjax.predictor import Completions, Predictor, complete_stack
from identjax.stacks import count_members, map_members
from identjax.vocabulary import Tokens


class Continuations(NamedTuple):
    """Prompts with their continuations, on the host: tokens [M, N, L+2], finished [M, N]."""

    tokens: Tokens
    finished: npt.NDArray[np.bool_]


def complete_members(
    stack: Predictor,
    prompts_NxP: Tokens,
    seed: int | None = None,
    members: int | None = None,
    lengths_N: npt.NDArray[np.int64] | None = None,
) -> Continuations:
    """Continue prompts greedily, or by sampling with a seed.

    With a seed all members draw with the same random numbers, so that equal laws give equal
    completions; the numbers depend on the seed, the prompt's row and the position alone. Prompts of
    several lengths have PAD behind them, and `lengths_N` has the tokens of each.
    """
    need = len(prompts_NxP) * _state_bytes(stack)
    how = (
        None if seed is None else np.uint32(seed),
        None if lengths_N is None else np.asarray(lengths_N, np.int32),
    )
    prompts = np.asarray(prompts_NxP, np.int32)
    found = map_members(_complete, stack, prompts, *how, member_bytes=need, members=members)
    return Continuations(*found)


def complete_together(
    stack: Predictor,
    prompts: Sequence[Tokens],
    seed: int | None = None,
    members: int | None = None,
) -> list[Continuations]:
    """Continue several sets of prompts, each of one length, in one call, so that it is compiled
    once; give the continuations of each.
    """
    lengths_N = np.concatenate([np.full(len(own), own.shape[1]) for own in prompts])
    wide, pad = int(lengths_N.max()), stack.vocabulary.pad
    padded = [np.pad(p, ((0, 0), (0, wide - p.shape[1])), constant_values=pad) for p in prompts]
    told = lengths_N if lengths_N.min() < wide else None
    done = complete_members(stack, np.concatenate(padded), seed, members, told)
    ends = np.cumsum([len(own) for own in prompts])[:-1]
    parts = (np.split(leaf, ends, 1) for leaf in done)
    return [Continuations(*part) for part in zip(*parts, strict=True)]


def _complete(
    stack: Predictor,
    prompts_NxP: jax.Array,
    seed: jax.Array | None,
    lengths_N: jax.Array | None,
) -> Completions:
    if seed is None:
        return complete_stack(stack, prompts_NxP, None, lengths_N)
    keys_M = jnp.broadcast_to(key_for(seed, Purpose.EVALUATE), (count_members(stack),))
    return complete_stack(stack, prompts_NxP, keys_M, lengths_N)


def _state_bytes(stack: Predictor) -> float:
    """Estimate what generating one continuation of one member keeps, in bytes."""
    leaves, made_of = jax.tree.flatten(stack)
    return _bytes_of(made_of, tuple((leaf.shape[1:], np.dtype(leaf.dtype)) for leaf in leaves))


@functools.cache
def _bytes_of(made_of: Any, shapes: tuple[tuple[tuple[int, ...], np.dtype[Any]], ...]) -> float:
    # Tracing a model takes longer than asking it: once for each shape.
    one = jax.tree.unflatten(made_of, [jax.ShapeDtypeStruct(*shape) for shape in shapes])
    state = jax.eval_shape(lambda predictor: predictor.start(), one)
    sizes = [leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(state)]
    # The loop holds the state twice, and the tokens.
    return 3.0 * sum(sizes) + 4.0 * one.max_length
