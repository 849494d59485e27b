"""Multiplications of a program, counted in its matrix products, loops included.

XLA's own analysis counts the body of a loop once; this walks the program before it is compiled,
and multiplies by the length of every scan. A loop without a fixed length cannot be counted.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np


def count_flops(function: Callable[..., Any], *args: Any) -> float:
    """Count two operations per multiply-add of every matrix product and convolution.

    >>> import jax.numpy as jnp
    >>> count_flops(lambda a: jax.lax.scan(lambda x, _: (x @ a, 0), a, None, 3), jnp.ones((4, 4)))
    384.0
    """
    return _count(jax.make_jaxpr(function)(*args).jaxpr)


def _count(program: Any) -> float:
    total = 0.0
    for equation in program.eqns:
        if equation.primitive.name == "dot_general":
            total += _product(equation)
        elif equation.primitive.name == "conv_general_dilated":
            total += _convolution(equation)
        elif equation.primitive.name == "while" and any(map(_count, _inner(equation))):
            raise ValueError("a loop without a fixed length has matrix products")
        else:
            total += equation.params.get("length", 1) * sum(map(_count, _inner(equation)))
    return total


def _inner(equation: Any) -> Iterator[Any]:
    """Go through the programs inside an equation."""
    for value in equation.params.values():
        for part in value if isinstance(value, tuple | list) else (value,):
            inner = getattr(part, "jaxpr", part)
            if hasattr(inner, "eqns"):
                yield inner


def _product(equation: Any) -> float:
    (contracted, _), _ = equation.params["dimension_numbers"]
    left = equation.invars[0].aval.shape
    return 2.0 * math.prod(equation.outvars[0].aval.shape) * math.prod(left[i] for i in contracted)


def _convolution(equation: Any) -> float:
    kernel = equation.invars[1].aval.shape
    outputs = kernel[equation.params["dimension_numbers"].rhs_spec[0]]
    return 2.0 * math.prod(equation.outvars[0].aval.shape) * math.prod(kernel) / outputs


def sum_over_lengths(count: Callable[[int], float], lengths: np.ndarray) -> float:
    """Add up a count that is a polynomial of degree 2 in the length, from three of its values.

    >>> sum_over_lengths(lambda n: 3.0 * n * n + n, np.arange(1, 6))
    180.0
    """
    longest = max(int(lengths.max()), 3)
    at = np.array([1, (1 + longest) // 2, longest])
    law = np.linalg.solve(np.vander(at, 3).astype(float), [count(int(n)) for n in at])
    return round(float(np.polyval(law, lengths).sum()), 3)
