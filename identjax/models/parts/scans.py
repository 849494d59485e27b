"""First-order linear recurrences over positions."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax


def recur_diagonal(starts_BxT: jax.Array, decay_N: jax.Array, inputs_BxTxN: jax.Array) -> jax.Array:
    """h_t = a∘h_{t−1} + b_t, from zero at each start, in the form that suits the backend.

    A CPU is faster position after position at every length that was measured; an accelerator,
    which waits for each position, is given the few rounds of the associative form.
    """
    form = scan_diagonal if jax.default_backend() == "cpu" else join_diagonal
    return form(starts_BxT, decay_N, inputs_BxTxN)


def scan_diagonal(starts_BxT: jax.Array, decay_N: jax.Array, inputs_BxTxN: jax.Array) -> jax.Array:
    """Go position after position: [B, T, N]."""

    def step(h_BxN: jax.Array, at: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        h_BxN = jnp.where(at[0][:, None], 0, decay_N[None] * h_BxN) + at[1]
        return h_BxN, h_BxN

    over_time = (starts_BxT.T, jnp.moveaxis(inputs_BxTxN, 1, 0))
    h_TxBxN = lax.scan(step, jnp.zeros_like(inputs_BxTxN[:, 0]), over_time)[1]
    return jnp.moveaxis(h_TxBxN, 0, 1)


def join_diagonal(starts_BxT: jax.Array, decay_N: jax.Array, inputs_BxTxN: jax.Array) -> jax.Array:
    """The same by an associative scan, in about log₂ T rounds."""

    def join(left: Any, right: Any) -> Any:
        return left[0] * right[0], left[1] * right[0] + right[1]

    decay_BxTxN = jnp.where(starts_BxT[..., None], 0, decay_N[None, None])
    return lax.associative_scan(join, (decay_BxTxN, inputs_BxTxN), axis=1)[1]


def scan_selective(
    starts_BxT: jax.Array,
    delta_BxTxD: jax.Array,
    rates_DxN: jax.Array,
    x_BxTxD: jax.Array,
    b_BxTxN: jax.Array,
    c_BxTxN: jax.Array,
) -> jax.Array:
    """h_t = e^{Δ_t A}∘h_{t−1} + x_t B_tᵀ, from zero at each start; gives C_t·h_t, [B, T, D].

    The state [B, D, N] is made and read inside the scan, so that only it is kept, not its parts.
    """

    def step(h_BxDxN: jax.Array, at: tuple[jax.Array, ...]) -> tuple[jax.Array, jax.Array]:
        starts_B, delta_BxD, x_BxD, b_BxN, c_BxN = at
        decay_BxDxN = jnp.exp(delta_BxD[..., None] * rates_DxN[None])
        kept_BxDxN = jnp.where(starts_B[:, None, None], 0, decay_BxDxN * h_BxDxN)
        h_BxDxN = kept_BxDxN + x_BxD[..., None] * b_BxN[:, None]
        return h_BxDxN, (h_BxDxN * c_BxN[:, None]).sum(-1)

    rows = (starts_BxT, delta_BxTxD, x_BxTxD, b_BxTxN, c_BxTxN)
    over_time = tuple(jnp.moveaxis(a, 1, 0) for a in rows)
    first = jnp.zeros((x_BxTxD.shape[0], *rates_DxN.shape), x_BxTxD.dtype)
    return jnp.moveaxis(lax.scan(step, first, over_time)[1], 0, 1)
