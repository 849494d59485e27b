"""Optimizers and learning-rate schedules whose numbers may be traced."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax

from identjax.registry import Registry

Hyper = Mapping[str, Any]
Schedule = Callable[[jax.Array, jax.Array, jax.Array], jax.Array]

SCHEDULES: Registry[Schedule] = Registry("schedule")
OPTIMIZERS: Registry[Callable[..., optax.GradientTransformation]] = Registry("optimizer")


@SCHEDULES.register("constant")
def hold(step: jax.Array, warmup: jax.Array, steps: jax.Array) -> jax.Array:
    """Stay at 1."""
    return jnp.ones_like(step)


@SCHEDULES.register("inverse_sqrt")
def fall_as_inverse_sqrt(step: jax.Array, warmup: jax.Array, steps: jax.Array) -> jax.Array:
    """Fall as (warmup / step)^½ once the warm-up is over."""
    return jnp.sqrt(jnp.maximum(warmup, 1) / jnp.maximum(step, jnp.maximum(warmup, 1)))


@SCHEDULES.register("cosine")
def fall_as_cosine(step: jax.Array, warmup: jax.Array, steps: jax.Array) -> jax.Array:
    """Fall from 1 at the end of the warm-up to 0 at the last step, along half a cosine."""
    share = (step - warmup) / jnp.maximum(steps - warmup, 1)
    return 0.5 * (1 + jnp.cos(jnp.pi * jnp.clip(share, 0, 1)))


def rate_at(schedule: str, step: jax.Array, hyper: Hyper) -> jax.Array:
    """Give the learning rate of the update that follows `step` earlier ones."""
    now = step.astype(jnp.float32) + 1
    warmup = jnp.float32(hyper["warmup"])
    steps = jnp.float32(hyper["steps"])
    ramp = jnp.minimum(now / jnp.maximum(warmup, 1), 1)
    return jnp.float32(hyper["learning_rate"]) * ramp * SCHEDULES[schedule](now, warmup, steps)


@OPTIMIZERS.register("adamw")
def make_adamw(rate: Any, hyper: Hyper, static: Any) -> optax.GradientTransformation:
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019)."""
    decay = hyper["weight_decay"]
    return optax.adamw(rate, b1=static.beta1, b2=static.beta2, weight_decay=decay)


@OPTIMIZERS.register("adam")
def make_adam(rate: Any, hyper: Hyper, static: Any) -> optax.GradientTransformation:
    """Adam (Kingma and Ba 2015), without weight decay."""
    return optax.adam(rate, b1=static.beta1, b2=static.beta2)


@OPTIMIZERS.register("sgd")
def make_sgd(rate: Any, hyper: Hyper, static: Any) -> optax.GradientTransformation:
    """Gradient descent, with momentum where it is above zero, without weight decay."""
    return optax.sgd(rate, momentum=static.momentum or None)


def make_optimizer(rate: Any, hyper: Hyper, static: Any) -> optax.GradientTransformation:
    """Build an optimizer inside a traced function, so that all values share one compilation."""
    optimizer = OPTIMIZERS[static.optimizer](rate, hyper, static)
    if not static.clip > 0:
        return optimizer
    return optax.chain(optax.clip_by_global_norm(hyper["clip"]), optimizer)
