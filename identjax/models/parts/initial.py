"""Laws of initial parameters, drawn for a whole net from one call of the random generator.

Each call costs a good part of a second to compile, so a parameter says its law, and the draws of
all parameters are cut from one array of uniforms.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Any, cast

import flax.linen as nn
import jax
import jax.numpy as jnp

Law = Callable[[jax.Array], jax.Array]
"""From independent uniforms in (−1, 1) to the initial values, of the same shape."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Drawn(nn.meta.AxisMetadata[Any]):
    """A parameter before it is drawn: its shape and its law; Flax unboxes it where it is used."""

    value: Any
    law: Law = dataclasses.field(metadata={"static": True})

    def unbox(self) -> Any:
        """Give what stands in the place of the parameter."""
        return self.value

    def replace_boxed(self, val: Any) -> "Drawn":
        """Put something else in its place."""
        return dataclasses.replace(self, value=val)

    def add_axis(self, index: int, params: dict[Any, Any]) -> "Drawn":
        """Keep the law; axes have no names here."""
        return self

    def remove_axis(self, index: int, params: dict[Any, Any]) -> "Drawn":
        """Keep the law; axes have no names here."""
        return self


def declare(module: nn.Module, name: str, law: Law, *shape: int) -> jax.Array:
    """Declare a parameter of a module with the law of its initial values."""
    return cast(jax.Array, module.param(name, lambda _: Drawn(jnp.zeros(shape), law)))


def draw(key: jax.Array, declared: Any) -> Any:
    """Draw the parameters of a tree of `Drawn` by their laws."""
    boxes, tree = jax.tree.flatten(declared, is_leaf=lambda x: isinstance(x, Drawn))
    ends = [0]
    for box in boxes:
        ends.append(ends[-1] + math.prod(box.value.shape))
    u = jax.random.uniform(key, (ends[-1],), jnp.float32, -1.0, 1.0)
    # The open interval: at ±1 a normal would be infinite.
    u = jnp.clip(u, -1 + 2**-23, 1 - 2**-23)
    cuts = [u[a:b].reshape(x.value.shape) for a, b, x in zip(ends, ends[1:], boxes, strict=False)]
    values = [box.law(cut) for box, cut in zip(boxes, cuts, strict=True)]
    return jax.tree.unflatten(tree, values)


def zeros(u: jax.Array) -> jax.Array:
    """All 0."""
    return jnp.zeros_like(u)


def ones(u: jax.Array) -> jax.Array:
    """All 1."""
    return jnp.ones_like(u)


def within(bound: float) -> Law:
    """Uniform between −bound and bound."""
    return lambda u: bound * u


def between(low: float, high: float) -> Law:
    """Uniform between two numbers."""
    return lambda u: low + (high - low) * (u + 1) / 2


def normal(deviation: float) -> Law:
    """Normal around 0."""
    return lambda u: deviation * math.sqrt(2) * jax.lax.erf_inv(u)


def xavier(u: jax.Array) -> jax.Array:
    """Uniform within √(6/(inputs + outputs)) of a matrix (Glorot and Bengio 2010)."""
    return math.sqrt(6 / sum(u.shape)) * u


def spread(low: float, high: float) -> Law:
    """Evenly spaced numbers along the last axis, not random."""

    def space(u: jax.Array) -> jax.Array:
        return jnp.broadcast_to(jnp.linspace(low, high, u.shape[-1]), u.shape)

    return space
