"""Products in bfloat16, or everything in float64, where a member asks for it; checks in float32."""

import functools
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.lax import DotAlgorithmPreset, Precision

from identjax.axes import axis
from identjax.errors import ConfigError
from identjax.models.costs import parts_of
from identjax.models.model import MODELS
from identjax.sweep.plan.groups import make_plan
from identjax.training.batches import Batch
from identjax.training.loss import sum_by_rows
from identjax.training.member import resolve
from identjax.training.precision import PRECISIONS
from identjax.training.step import hyper_of, make_trainer

EXACT = (Precision.HIGHEST, Precision.HIGHEST)


def products(jaxpr: Any) -> Iterator[tuple[Any, str]]:
    """Give the precision and the dtype of every product of matrices in a program."""
    for eqn in jaxpr.eqns:
        if eqn.primitive.name == "dot_general":
            yield eqn.params["precision"], eqn.outvars[0].aval.dtype.name
        for part in parts_of(eqn.params):
            yield from products(part)


@pytest.mark.parametrize("architecture", ["transformer", "lstm"])
@pytest.mark.parametrize(
    ("precision", "expected"),
    [
        ("float32", EXACT),
        ("bfloat16", DotAlgorithmPreset.BF16_BF16_F32),
    ],
)
def test_products_alone_take_the_precision_and_a_check_never(
    architecture: str, precision: str, expected: Any
) -> None:
    member = resolve({"max_length": 6, "architecture": architecture, "precision": precision})
    trainer, shared = make_trainer(member)
    state = jax.eval_shape(trainer.init, hyper_of(member))
    found = products(jax.make_jaxpr(trainer.update)(state, shared).jaxpr)
    assert set(found) == {(expected, "float32")}
    assert jax.eval_shape(trainer.update, state, shared) == state
    check = jax.make_jaxpr(trainer.check)(state.params, shared).jaxpr
    assert set(products(check)) == {(EXACT, "float32")}


@pytest.mark.parametrize("architecture", sorted(MODELS))
def test_double_precision_is_double_in_every_product_and_a_check_is_single(
    architecture: str,
) -> None:
    member = resolve({"max_length": 6, "architecture": architecture, "precision": "float64"})
    with PRECISIONS["float64"].enabled():
        trainer, shared = make_trainer(member)
        state = jax.eval_shape(trainer.init, hyper_of(member))
        assert {leaf.dtype.name for leaf in jax.tree.leaves(state.params)} == {"float64"}
        assert jax.eval_shape(trainer.update, state, shared) == state
        found = products(jax.make_jaxpr(trainer.update)(state, shared).jaxpr)
        assert set(found) == {(EXACT, "float64")}
        check = jax.make_jaxpr(trainer.check)(state.params, shared).jaxpr
        assert {dtype for _, dtype in products(check)} <= {"float32"}


def test_rows_taken_in_blocks_add_up_in_the_precision_of_the_parameters() -> None:
    def loss_of(params: jax.Array, batch: Batch, _: object) -> jax.Array:
        return (batch.weights_RxT * params).sum()

    rows = np.full((3, 4), 0.1)
    batch = Batch(rows.astype(np.int32), rows.astype(np.int32), rows, None)
    # So many numbers in a row leave room for one in a block.
    total = functools.partial(sum_by_rows, loss_of, row_floats=lambda _: 1 << 30)
    with PRECISIONS["float64"].enabled():
        value, slope = jax.value_and_grad(total)(jnp.float64(1), batch, None)
    assert (value.dtype.name, slope.dtype.name) == ("float64", "float64")
    assert abs(float(value) - 1.2) < 1e-15 < abs(float(np.float32(1.2)) - 1.2)


def test_a_precision_that_a_cpu_does_not_have_is_refused() -> None:
    with pytest.raises(ConfigError, match="precision='bfloat16'"):
        make_plan({"max_length": 6, "precision": "bfloat16"}, axis("init_seed", [0]))
    with pytest.raises(ConfigError, match="did you mean 'bfloat16'"):
        resolve({"precision": "bflot16"})
