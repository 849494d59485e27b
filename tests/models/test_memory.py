"""Stack and tape: what their actions do, and that a memory may be larger at test."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from identjax import models
from identjax.models.families.stack_rnn import StackCell
from identjax.models.families.tape_rnn import turn
from identjax.models.parts.memory import bring_up
from identjax.vocabulary import Vocabulary

AB = Vocabulary(("a", "b"))


def draw_logits(name: str, memory: int, t: int, **options: object) -> jax.Array:
    """The logits of one set of parameters on one row, with a memory of another size."""
    model = models.make(name, vocabulary=AB, max_length=t, memory=4, **options)
    params = jax.tree.map(lambda x: 2 * x, jax.jit(model.init)(jax.random.key(0)))
    row = np.random.default_rng(0).integers(0, 2, (1, t))
    row[0, 0] = AB.bos
    sized = dataclasses.replace(model, memory=memory)
    return jax.jit(sized.logits)(params, jnp.asarray(row, jnp.int32))


@pytest.mark.parametrize("name", ["stack_rnn", "tape_rnn"])
def test_a_memory_that_is_never_full_may_have_any_size(name: str) -> None:
    # A head that moves at most 12 cells either way never goes round a tape of 25.
    options = {} if name == "stack_rnn" else {"jump": "none"}
    enough, more, less = (draw_logits(name, size, 12, **options) for size in (25, 60, 2))
    np.testing.assert_allclose(enough, more, atol=1e-6)
    assert jnp.abs(enough - less).max() > 1e-4


def test_jumps_change_what_the_tape_gives() -> None:
    assert draw_logits("tape_rnn", 8, 12).shape == (1, 12, AB.size)
    near, far = (draw_logits("tape_rnn", size, 12) for size in (30, 60))
    # Jumps of up to 12 reach round a tape of 30 within 12 moves, so its size matters.
    assert jnp.abs(near - far).max() > 1e-6


def test_a_pop_brings_up_and_a_push_moves_down() -> None:
    stack = jnp.arange(6.0).reshape(3, 2)
    assert bring_up(stack).tolist() == [[2, 3], [4, 5], [0, 0]]
    model = models.make("stack_rnn", vocabulary=AB, max_length=4, hidden=1, cell=2, memory=3)
    none, act = jnp.zeros((1, 1)), jnp.zeros((1, 5))
    for action, after in enumerate([[[8, 9], [0, 1], [2, 3]], bring_up(stack), stack]):
        bias = jnp.array([0.0, 0, 0, 8, 9]).at[action].set(1e3)
        weights = {"recurrent": none, "from_memory": jnp.zeros((2, 1)), "act": (act, bias)}
        state = (jnp.zeros((1,)), stack)
        found = StackCell(model).step(weights, jnp.zeros((1,)), state)[1]
        np.testing.assert_array_equal(found, after)


def test_a_turn_goes_round_the_tape_by_each_rows_own_number() -> None:
    tape = jnp.broadcast_to(jnp.arange(5.0)[None, :, None], (3, 5, 1))
    turned = turn(tape, jnp.array([0, 2, -1]))[..., 0]
    assert turned.tolist() == [[0, 1, 2, 3, 4], [2, 3, 4, 0, 1], [4, 0, 1, 2, 3]]
