"""One update: what moves it, and what must not."""

from typing import Any

import jax
import numpy as np
import pytest

from identjax.training.member import resolve
from identjax.training.step import hyper_of, make_trainer

TINY = {"language": "L3", "max_length": 6, "architecture": "lstm", "model": {"hidden": 4}}
PROGRAMS: dict[str, Any] = {}  # one of each group, as a sweep has it
SAMPLED = TINY | {"language": "L1", "batch": 4, "check_size": 8}


def params_after(count: int, **choices: Any) -> list[np.ndarray[Any, Any]]:
    member = resolve(choices)
    if member.group not in PROGRAMS:
        trainer, shared = make_trainer(member)
        PROGRAMS[member.group] = jax.jit(trainer.init), jax.jit(trainer.update), shared
    init, update, shared = PROGRAMS[member.group]
    state = init(hyper_of(member))
    for _ in range(count):
        state = update(state, shared)
    return [np.asarray(leaf) for leaf in jax.tree.leaves(state.params)]


def differ(left: list[Any], right: list[Any]) -> bool:
    return any((a != b).any() for a, b in zip(left, right, strict=True))


@pytest.mark.parametrize(
    ("seed", "steps", "matters"),
    [("init_seed", 0, True), ("data_seed", 0, False), ("data_seed", 2, True)],
)
def test_each_seed_has_its_own_effect(seed: str, steps: int, matters: bool) -> None:
    base, other = (params_after(steps, **SAMPLED, **{seed: value}) for value in (0, 1))
    assert differ(base, other) == matters


def test_the_noise_seed_matters_where_there_is_dropout() -> None:
    transformer = TINY | {
        "architecture": "transformer",
        "model": {"d_model": 8, "heads": 2, "ff": 8, "layers": 1},
    }
    for rate, matters in ((0.0, False), (0.5, True)):
        both = [params_after(2, **transformer, dropout=rate, noise_seed=s) for s in (0, 1)]
        assert differ(*both) == matters


def test_a_member_that_has_its_steps_stands_still() -> None:
    assert not differ(params_after(3, **TINY, steps=3), params_after(5, **TINY, steps=3))


def test_the_check_of_a_sampled_language_has_a_standard_error() -> None:
    for choices, exact in ((TINY, True), (SAMPLED | {"max_length": 24}, False)):
        member = resolve(choices)
        trainer, shared = make_trainer(member)
        found = trainer.check(trainer.init(hyper_of(member)).params, shared)
        assert float(found.value) > 0
        assert (float(found.stderr) == 0.0) == exact
