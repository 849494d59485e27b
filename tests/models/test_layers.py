"""Dropout, places in rows, and initial parameters."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from identjax import models
from identjax.models import Dropout
from identjax.models.parts import initial
from identjax.models.parts.dropout import drop
from identjax.models.parts.layers import locate, multiply
from identjax.models.parts.scans import join_diagonal, scan_diagonal
from identjax.vocabulary import Vocabulary


@pytest.mark.parametrize("rate", [0.1, 0.4, 0.5])
def test_dropout_keeps_the_mean_and_scales_exactly(rate: float) -> None:
    x = jnp.ones((101, 1013))
    y = np.asarray(drop(x, Dropout(jnp.float32(rate), jax.random.key(0)), 3))
    kept = y[y > 0]
    share = 1 - rate
    np.testing.assert_allclose(kept, 1 / share, rtol=1e-6)
    # Four standard deviations of the share that is kept.
    assert abs(len(kept) / y.size - share) < 4 * np.sqrt(rate * (1 - rate) / y.size)


def test_dropout_is_another_at_each_site_and_none_without() -> None:
    x, dropout = jnp.ones((64, 64)), Dropout(jnp.float32(0.5), jax.random.key(0))
    sites = [np.asarray(drop(x, dropout, *site)) for site in ((0,), (1,), (0, 0), (0, 1))]
    for i, one in enumerate(sites):
        for other in sites[:i]:
            assert abs(((one > 0) == (other > 0)).mean() - 0.5) < 0.05
    assert drop(x, None, 0) is x


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_dropout_is_independent_along_an_array_and_from_key_to_key(rate: float) -> None:
    keys, n = jax.random.split(jax.random.key(0), 64), 1 << 14
    thin = jax.jit(jax.vmap(lambda key: drop(jnp.ones(n), Dropout(jnp.float32(rate), key), 0)))
    z_KxN = (np.asarray(thin(keys)) > 0) - (1 - rate)
    z_KxN /= np.sqrt(rate * (1 - rate))
    found = {lag: (z_KxN[:, lag:] * z_KxN[:, :-lag]).mean(1) for lag in (1, 2, 3, 4, 8, 36, 260)}
    found["keys"] = (z_KxN[1:] * z_KxN[:-1]).mean(1)
    found["mean"] = z_KxN.mean(1)
    for name, mean_K in found.items():
        # A mean of n independent products has standard deviation 1/√n; there are 64 of each.
        assert np.abs(mean_K).max() < 5 / np.sqrt(n), name
        assert 0.6 < mean_K.std() * np.sqrt(n) < 1.4, name


def test_the_gradient_of_dropout_is_cut_where_its_value_is() -> None:
    dropout = Dropout(jnp.float32(0.3), jax.random.key(2))
    x = jnp.ones((33, 7))
    pull = jax.grad(lambda x: drop(x, dropout, 1).sum())(x)
    np.testing.assert_array_equal(pull, drop(x, dropout, 1))


@pytest.mark.parametrize("shape", [(3, 8), (8, 3)])
def test_a_dense_map_has_the_gradient_of_its_product(shape: tuple[int, int]) -> None:
    x, kernel = jnp.ones((2, 5, shape[0])).at[0, 1].set(3), jnp.arange(24.0).reshape(shape)
    found, expected = (
        jax.grad(lambda x, w, f=f: jnp.sin(f(x, w)).sum(), (0, 1))(x, kernel)
        for f in (multiply, jnp.matmul)
    )
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


def test_locate_starts_anew_at_each_bos() -> None:
    string, position = locate(jnp.array([[0, 9, 1, 9, 9, 2], [9, 1, 1, 1, 9, 1]]), 9)
    assert string.tolist() == [[0, 1, 1, 2, 3, 3], [1, 1, 1, 1, 2, 2]]
    assert position.tolist() == [[0, 0, 1, 0, 0, 1], [0, 1, 2, 3, 0, 1]]


def test_both_forms_of_a_diagonal_recurrence_agree_and_start_anew() -> None:
    rng = np.random.default_rng(0)
    real, imaginary = rng.normal(size=(2, 3, 37, 5)).astype(np.float32)
    decay = 0.9 * np.exp(1j * rng.uniform(0, 3, 5)).astype(np.complex64)
    starts = jnp.zeros((3, 37), bool).at[:, 0].set(True).at[1, 9].set(True)
    inputs = real + 1j * imaginary
    scanned, joined = (f(starts, decay, inputs) for f in (scan_diagonal, join_diagonal))
    np.testing.assert_allclose(scanned, joined, rtol=1e-5, atol=1e-5)
    afresh = scan_diagonal(starts[:1, :28], decay, inputs[1:2, 9:])
    np.testing.assert_allclose(scanned[1:2, 9:], afresh, rtol=1e-6)


def test_initial_values_are_distributed_as_they_say() -> None:
    u = jnp.asarray(np.random.default_rng(0).uniform(-1, 1, (400, 100)), jnp.float32)
    normal = initial.normal(2.0)(u)
    assert abs(float(normal.std()) - 2) < 0.05
    assert abs(float(jnp.abs(normal).mean()) - 2 * np.sqrt(2 / np.pi)) < 0.05
    between = initial.between(3, 5)(u)
    assert 3 <= float(between.min()) < 3.01 < 4.99 < float(between.max()) <= 5
    assert float(jnp.abs(initial.xavier(u)).max()) <= np.sqrt(6 / 500)
    assert initial.spread(3, 6)(jnp.zeros((2, 4))).tolist() == [[3, 4, 5, 6]] * 2


def test_each_parameter_has_numbers_of_its_own() -> None:
    model = models.make("lstm", vocabulary=Vocabulary(("a", "b")), max_length=8, layers=2)
    params = jax.jit(model.init)(jax.random.key(0))
    drawn = np.concatenate([np.ravel(x) for x in jax.tree.leaves(params)])
    assert len(np.unique(drawn)) > 0.999 * len(drawn)
    kernel = params["cells_0"]["recurrent"]
    assert float(jnp.abs(kernel).max()) <= 32**-0.5
    assert abs(float(kernel.std()) - 32**-0.5 / np.sqrt(3)) < 0.005
