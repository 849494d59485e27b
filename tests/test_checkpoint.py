"""A checkpoint is verified when it is loaded; a bad one is replaced by the one before it."""

import pathlib
from typing import Any

import numpy as np
import pytest

from identjax.checkpoint import Checkpoints, digest_leaves


def make_state(scale: float) -> dict[str, Any]:
    return {"w": np.arange(6, dtype=np.float32).reshape(2, 3) * scale, "n": np.zeros(2, np.int32)}


def load(checkpoints: Checkpoints) -> tuple[Any, list[str]]:
    warnings: list[str] = []
    found = checkpoints.load(lambda facts: make_state(0.0), warnings.append)
    return found, warnings


@pytest.fixture
def checkpoints(tmp_path: pathlib.Path) -> Checkpoints:
    saved = Checkpoints(tmp_path / "group")
    for chunk in (1, 2, 3):
        saved.save(chunk, make_state(chunk), {"seats": [None, ["m", chunk]]}, wait=True)
    return saved


def test_the_newest_comes_back_bit_for_bit_with_its_facts(checkpoints: Checkpoints) -> None:
    (state, facts), warnings = load(checkpoints)
    np.testing.assert_array_equal(state["w"], make_state(3)["w"])
    assert (facts["chunk"], facts["seats"], warnings) == (3, [None, ["m", 3]], [])


def test_nothing_saved_gives_none(tmp_path: pathlib.Path) -> None:
    assert load(Checkpoints(tmp_path / "group")) == (None, [])


# The array reader's callbacks may come after its own event loop has closed on an error.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("damage", ["flip", "truncate", "remove"])
def test_damage_is_found_and_the_one_before_is_used(checkpoints: Checkpoints, damage: str) -> None:
    data = [p for p in (checkpoints.directory / "3").rglob("*") if p.is_file() and "d" in p.parts]
    assert data
    for path in data:
        content = bytearray(path.read_bytes())
        if damage == "remove":
            path.unlink()
        elif damage == "truncate":
            path.write_bytes(content[: len(content) // 2])
        else:
            content[len(content) // 2] ^= 1
            path.write_bytes(content)
    checkpoints.close()
    (state, facts), warnings = load(Checkpoints(checkpoints.directory))
    assert facts["chunk"] == 2
    np.testing.assert_array_equal(state["w"], make_state(2)["w"])
    assert len(warnings) == 1
    assert "checkpoint 3" in warnings[0]


def test_a_digest_depends_on_bits_shape_and_dtype() -> None:
    ones = np.ones((2, 3), np.float32)
    others = [ones.reshape(3, 2), ones.astype(np.float64), np.nextafter(ones, 2, dtype=np.float32)]
    assert len({digest_leaves([leaf]) for leaf in [ones, *others]}) == 4
    assert digest_leaves([ones]) == digest_leaves([ones.copy(order="F")])
