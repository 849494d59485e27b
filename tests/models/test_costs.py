"""Counts of parameters and operations, and the table in the docs that is made of them."""

import jax
import jax.numpy as jnp
import pytest

from identjax import models
from identjax.models.costs import count_operations, count_parameters
from identjax.vocabulary import Vocabulary
from tests.models.make_table import count_parallel, make_table, names_in, split_page

AB = Vocabulary(("a", "b"))


def test_a_scan_counts_its_body_for_each_position() -> None:
    def run(x: jax.Array) -> jax.Array:
        return jax.lax.scan(lambda c, _: (jnp.tanh(c) + 1, None), x, None, length=7)[0]

    assert count_operations(run, jnp.ones((3,))) == 7 * 3 * 2


def test_the_papers_lstm_has_its_parameters() -> None:
    model = models.make("lstm", vocabulary=AB, max_length=256, preset="paper")
    layers = 4 * 64 * (10 + 64 + 1) + 4 * (4 * 64 * (64 + 64 + 1))
    assert count_parameters(model) == 5 * 10 + layers + (64 + 1) * 5


def test_a_dense_net_costs_about_two_operations_per_parameter() -> None:
    model = models.make("lstm", vocabulary=AB, max_length=64, preset="paper")
    assert count_parallel(model) == pytest.approx(2 * count_parameters(model), rel=0.1)


def test_the_table_in_the_docs_is_current_for_the_architectures_that_it_has() -> None:
    _, table, _ = split_page()
    names = names_in(table)
    assert len(names) >= 10
    assert table == make_table(names), "run: python -m tests.models.make_table"
