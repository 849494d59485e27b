"""Products in bfloat16 where a member asks for it; parameters, and every check, in float32."""

from collections.abc import Iterator
from typing import Any

import jax
import pytest
from jax.lax import DotAlgorithmPreset, Precision

from identjax.errors import ConfigError
from identjax.models.costs import parts_of
from identjax.sweep.axes import axis
from identjax.sweep.plan import make_plan
from identjax.training.member import resolve
from identjax.training.step import hyper_of, make_trainer


def products(jaxpr: Any) -> Iterator[Any]:
    """Give the precision of every product of matrices in a program."""
    for eqn in jaxpr.eqns:
        if eqn.primitive.name == "dot_general":
            yield eqn.params["precision"]
        for part in parts_of(eqn.params):
            yield from products(part)


@pytest.mark.parametrize("architecture", ["transformer", "lstm"])
@pytest.mark.parametrize(
    ("precision", "expected"),
    [
        ("float32", (Precision.HIGHEST, Precision.HIGHEST)),
        ("bfloat16", DotAlgorithmPreset.BF16_BF16_F32),
    ],
)
def test_products_alone_take_the_precision_and_a_check_never(
    architecture: str, precision: str, expected: Any
) -> None:
    member = resolve({"max_length": 6, "architecture": architecture, "precision": precision})
    trainer, shared = make_trainer(member)
    state = jax.eval_shape(trainer.init, hyper_of(member))
    assert set(products(jax.make_jaxpr(trainer.update)(state, shared).jaxpr)) == {expected}
    assert jax.eval_shape(trainer.update, state, shared) == state
    check = jax.make_jaxpr(trainer.check)(state.params, shared).jaxpr
    assert set(products(check)) == {(Precision.HIGHEST, Precision.HIGHEST)}


def test_a_precision_that_a_cpu_does_not_have_is_refused() -> None:
    with pytest.raises(ConfigError, match="precision='bfloat16'"):
        make_plan({"max_length": 6, "precision": "bfloat16"}, axis("init_seed", [0]))
    with pytest.raises(ConfigError, match="did you mean 'bfloat16'"):
        resolve({"precision": "bflot16"})
