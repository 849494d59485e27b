"""Random keys by what they are for: never split and carried, always folded in."""

import enum

import jax
from jax.typing import ArrayLike


class Purpose(enum.IntEnum):
    """What a key is used for; the numbers are part of every result and never change."""

    INIT = 0
    DATA = 1
    DROPOUT = 2
    LABEL_NOISE = 3
    CHECK = 4
    EVALUATE = 5
    PROMPTS = 6
    # 7 stood for something once, and stays free.
    LESSONS = 8


def key_for(seed: ArrayLike, purpose: Purpose, step: ArrayLike | None = None) -> jax.Array:
    """Give the key of a named seed for one purpose, at one step where there are steps."""
    key = jax.random.fold_in(jax.random.key(seed), int(purpose))
    return key if step is None else jax.random.fold_in(key, step)
