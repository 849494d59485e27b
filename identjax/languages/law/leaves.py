"""The numbers of a law as leaves of its pytree."""

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt


def as_leaf(numbers: npt.ArrayLike, dtype: jax.typing.DTypeLike | None = None) -> jax.Array:
    """Make an array at once, also where a law is made while a program is traced."""
    with jax.ensure_compile_time_eval():
        return jnp.asarray(numbers, dtype)


def as_log_leaf(p: npt.ArrayLike) -> jax.Array:
    """Make an array of logs, −inf for 0."""
    with np.errstate(divide="ignore"):
        return as_leaf(np.log(p), jnp.float32)
