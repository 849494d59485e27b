"""Traced optimizers are optax's own, and schedules are what they are called."""

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from identjax.training.member import Member, resolve
from identjax.training.optimizers import make_optimizer, rate_at
from identjax.training.step import hyper_of

PARAMS = {"w": jnp.linspace(-1.0, 1.0, 5), "b": jnp.ones(3)}
GRADS = {"w": jnp.linspace(2.0, -3.0, 5), "b": jnp.full(3, 0.5)}


def take_steps(rule: Any, steps: int = 3) -> Any:
    params, state = PARAMS, rule.init(PARAMS)
    with jax.numpy_dtype_promotion("standard"):
        for _ in range(steps):
            changes, state = rule.update(GRADS, state, params)
            params = optax.apply_updates(params, changes)
    return params


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("adamw", optax.adamw(0.1, weight_decay=0.02)),
        ("adam", optax.adam(0.1)),
        ("sgd", optax.sgd(0.1, momentum=0.5)),
    ],
)
@pytest.mark.parametrize("clip", [0.0, 1.5])
def test_a_traced_rate_gives_the_steps_of_a_fixed_one(name: str, plain: Any, clip: float) -> None:
    member = Member(optimizer=name, momentum=0.5, weight_decay=0.02, clip=clip)
    expected = optax.chain(optax.clip_by_global_norm(clip), plain) if clip else plain

    @jax.jit
    def traced(rate: jax.Array, hyper: Any) -> Any:
        return take_steps(make_optimizer(rate, hyper, member))

    found = traced(jnp.float32(0.1), hyper_of(member))
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-6), found, take_steps(expected)
    )


def rates(at: list[int], **fields: Any) -> list[float]:
    hyper = hyper_of(dataclasses.replace(resolve({}), learning_rate=0.5, **fields))
    schedule = fields["schedule"]
    return [float(rate_at(schedule, jnp.int32(step), hyper)) for step in at]


def test_schedules_warm_up_and_fall() -> None:
    shape = {"warmup": 10, "steps": 110}
    for name in ("constant", "inverse_sqrt", "cosine"):
        assert rates([0, 4, 9], schedule=name, **shape) == pytest.approx([0.05, 0.25, 0.5])
    assert rates([59, 109], schedule="constant", **shape) == pytest.approx([0.5, 0.5])
    falls = [0.5 * math.sqrt(10 / 40), 0.5 * math.sqrt(10 / 90)]
    assert rates([39, 89], schedule="inverse_sqrt", **shape) == pytest.approx(falls)
    assert rates([59, 109], schedule="cosine", **shape) == pytest.approx([0.25, 0.0], abs=1e-7)


def test_no_warm_up_starts_at_the_full_rate() -> None:
    for name in ("constant", "inverse_sqrt"):
        assert rates([0], schedule=name, warmup=0, steps=10) == pytest.approx([0.5])
