"""What a program costs: parameters, arithmetic and memory, counted before it is compiled."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import Literal

from identjax.models.model import Model

# fmt: off
ELEMENTWISE = frozenset({
    "add", "sub", "mul", "div", "max", "min", "neg", "abs", "exp", "log", "log1p",
    "expm1", "tanh", "logistic", "sqrt", "rsqrt", "erf", "square", "integer_pow", "pow", "sin",
    "cos",
})
# fmt: on
REDUCTIONS = frozenset({"reduce_sum", "reduce_max", "reduce_min", "cumsum", "cummax"})


def count_parameters(model: Model) -> int:
    """Count the numbers that a member has.

    >>> from identjax import models, vocabulary
    >>> ab = vocabulary.Vocabulary(("a", "b"))
    >>> count_parameters(models.make("rnn", vocabulary=ab, max_length=8, hidden=2, embedding=1))
    28
    """
    params = jax.eval_shape(model.init, jax.random.key(0))
    return sum(leaf.size for leaf in jax.tree.leaves(params))


def count_operations(function: Callable[..., Any], *args: Any) -> int:
    """Count the floating-point operations of a function: 2 per multiply-add of a product of
    matrices, 1 per element of other arithmetic.

    >>> count_operations(lambda x: x @ x + x, jnp.ones((2, 2)))
    20
    """
    return _count(jax.make_jaxpr(function)(*args).jaxpr)


def _count(jaxpr: Any) -> int:
    return sum(_count_one(eqn) for eqn in jaxpr.eqns)


def _count_one(eqn: Any) -> int:
    name, size = eqn.primitive.name, sum(math.prod(v.aval.shape) for v in eqn.outvars)
    inner = [_count(part) for part in parts_of(eqn.params)]
    if inner:
        # Of the branches of a cond one is run; a scan runs its body for each position.
        return max(inner) * int(eqn.params.get("length") or 1)
    kind = eqn.outvars[0].aval.dtype if eqn.outvars else None
    if kind is None or not jnp.issubdtype(kind, jnp.inexact):
        return 0
    if jnp.issubdtype(kind, jnp.complexfloating):
        size *= 6 if name == "mul" else 2
    if name == "dot_general":
        (left, _), _ = eqn.params["dimension_numbers"]
        shape = eqn.invars[0].aval.shape
        return 2 * size * math.prod(shape[axis] for axis in left)
    if name in REDUCTIONS:
        return math.prod(eqn.invars[0].aval.shape)
    return size if name in ELEMENTWISE else 0


def count_bytes(function: Callable[..., Any], *args: Any) -> int:
    """Count the bytes that a function's own arrays take at most at one time, each from where it is
    made to its last use; a compiler that joins operations needs less.

    >>> count_bytes(lambda x: ((x + 1) * 2).sum(), jnp.ones(100, jnp.float32))
    800
    """
    return _peak(jax.make_jaxpr(function)(*args).jaxpr)


def _peak(jaxpr: Any) -> int:
    made = {var for eqn in jaxpr.eqns for var in eqn.outvars}
    last = {var: i for i, eqn in enumerate(jaxpr.eqns) for var in [*eqn.outvars, *_names(eqn)]}
    last |= {var: len(jaxpr.eqns) for var in jaxpr.outvars if not isinstance(var, Literal)}
    live = most = 0
    for i, eqn in enumerate(jaxpr.eqns):
        own = sum(map(_bytes, eqn.outvars))
        within = max(map(_peak, parts_of(eqn.params)), default=0)
        most = max(most, live + max(own, within))
        gone = {var for var in [*eqn.outvars, *_names(eqn)] if var in made and last[var] == i}
        live += own - sum(map(_bytes, gone))
    return most


def _names(eqn: Any) -> list[Any]:
    return [var for var in eqn.invars if not isinstance(var, Literal)]


def _bytes(var: Any) -> int:
    return math.prod(var.aval.shape) * int(var.aval.dtype.itemsize)


def parts_of(params: dict[str, Any]) -> Iterator[Any]:
    """Give the programs inside an operation, from its parameters."""
    for value in params.values():
        for part in value if isinstance(value, tuple) else (value,):
            if hasattr(part, "eqns"):
                yield part
            elif hasattr(getattr(part, "jaxpr", None), "eqns"):
                yield part.jaxpr
