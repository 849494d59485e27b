"""The Transformer's options: positions, norms, activations, tying, blocks of queries."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array

from identjax import models
from identjax.errors import ConfigError
from identjax.models import Dropout
from identjax.models.parts.positions import bias_by_bucket
from identjax.predictor import score_by_scan
from identjax.vocabulary import Vocabulary

AB = Vocabulary(("a", "b"))
TINY = {"d_model": 8, "heads": 2, "layers": 1, "ff": 8}
# Most of the time here would go to compiling well what runs once.
quick_jit = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
VARIANTS = [
    *({"positions": p} for p in ("none", "sinusoidal", "learned", "rope", "alibi", "relative")),
    {"norm": "post", "activation": "gelu"},
    {"norm_type": "rms", "activation": "swiglu", "tie": True},
    {"query_block": 4, "positions": "alibi"},
]


def make(**options: object) -> models.Model:
    chosen = {**TINY, **options}
    return models.make("transformer", vocabulary=AB, max_length=10, **chosen)


def rows() -> Array:
    draw = np.random.default_rng(0).integers(0, 2, (2, 12))
    draw[:, 0], draw[1, 5:7] = AB.bos, (AB.eos, AB.bos)
    return jnp.asarray(draw, jnp.int32)


@pytest.mark.parametrize("options", VARIANTS, ids=str)
def test_parallel_form_packed_rows_and_steps_agree(options: dict[str, object]) -> None:
    model = make(**options)
    params = quick_jit(model.init)(jax.random.key(0))
    logits = quick_jit(model.logits)(params, rows())
    alone = quick_jit(model.logits)(params, rows()[1:, 6:])
    np.testing.assert_allclose(logits[1, 6:], alone[0], atol=1e-5)
    first = model.bind(params)
    stepped = score_by_scan(first, rows()[:1])
    np.testing.assert_allclose(stepped[0], first.score(rows()[:1])[0], atol=1e-4)


@pytest.mark.parametrize("positions", ["sinusoidal", "learned", "rope", "alibi", "relative"])
def test_positions_tell_orders_apart_where_a_single_layer_without_them_cannot(
    positions: str,
) -> None:
    one, other = (jnp.array([[AB.bos, *text, 0]], jnp.int32) for text in ([0, 1, 1], [1, 0, 1]))

    def gap(model: models.Model) -> float:
        params = jax.tree.map(lambda x: 2 * x, quick_jit(model.init)(jax.random.key(0)))
        last = [model.logits(params, row)[0, -1] for row in (one, other)]
        return float(jnp.abs(last[0] - last[1]).max())

    assert gap(make(positions="none", layers=1)) < 1e-5
    assert gap(make(positions=positions, layers=1)) > 1e-4


def test_blocks_of_queries_change_neither_logits_nor_gradients() -> None:
    whole, blocks = make(positions="relative"), make(positions="relative", query_block=5)
    params = quick_jit(whole.init)(jax.random.key(0))

    def loss(model: models.Model, p: models.model.Params) -> Array:
        return jnp.square(model.logits(p, rows())).sum()

    one, other = (
        jax.jit(jax.value_and_grad(lambda p, m=m: loss(m, p)))(params) for m in (whole, blocks)
    )
    for x, y in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-3, atol=1e-4)


def test_blocks_of_queries_drop_differently() -> None:
    model = make(query_block=5)
    params = quick_jit(model.init)(jax.random.key(0))
    dropout = Dropout(jnp.float32(0.3), jax.random.key(1))
    assert jnp.isfinite(quick_jit(model.logits)(params, rows(), dropout)).all()


@pytest.mark.parametrize("positions", ["none", "sinusoidal", "rope", "alibi", "relative"])
def test_the_other_positions_go_on_to_longer_strings(positions: str) -> None:
    model = make(positions=positions)
    params = quick_jit(model.init)(jax.random.key(0))
    longer = dataclasses.replace(model, max_length=40)
    row = jnp.zeros((1, 42), jnp.int32).at[0, 0].set(AB.bos)
    there = quick_jit(longer.logits)(params, row)
    np.testing.assert_allclose(
        there[:, :12], quick_jit(model.logits)(params, row[:, :12]), atol=1e-5
    )
    assert jnp.isfinite(there).all()


def test_buckets_are_exact_near_and_end_at_the_last() -> None:
    table = jnp.arange(32.0)[:, None]
    bias = bias_by_bucket(jnp.array([[0, 1, 15, 16, 127, 128, 5000]]), table)[0, 0]
    assert bias[:4].tolist() == [0, 1, 15, 16]
    assert bias[-2:].tolist() == [31, 31]
    assert 16 < bias[4] <= 31


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"heads": 3}, "heads=3: a divisor of d_model=8: 1, 2, 4, 8"),
        ({"positions": "rop"}, "positions='rop': did you mean 'rope'"),
        ({"epsilon": -1e-5}, "epsilon=-1e-05: a number, 0 or more"),
        ({"tie": 1}, "tie=1: True or False"),
        ({"d_model": 9, "heads": 1}, "d_model=9: even"),
        ({"positions": "rope", "heads": 8}, "heads=8: an even head width"),
        ({"layer": 2}, "transformer option='layer': did you mean 'layers'"),
    ],
)
def test_options_that_do_not_fit_are_named(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make(**options)
    assert message in str(caught.value)
