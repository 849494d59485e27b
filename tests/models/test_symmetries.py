"""Changes of parameters: the function stays, the parameters move, the rest is refused."""

import functools
from typing import Any

import jax
import numpy as np
import pytest

from identjax import models
from identjax.errors import ConfigError
from identjax.models.symmetries import CHANGES, Change, Declared, change_params
from identjax.vocabulary import Vocabulary
from tests.registries import temporarily

AB = Vocabulary(("a", "b"))
TINY: dict[str, dict[str, Any]] = {
    "transformer": {"d_model": 8, "heads": 2, "layers": 2, "ff": 6},
    "lstm": {"embedding": 4, "hidden": 6, "layers": 2},
    "gru": {"embedding": 4, "hidden": 6, "layers": 2},
    "rnn": {"embedding": 4, "hidden": 6, "layers": 1},
}
quick_jit = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})


def make(architecture: str, **options: object) -> models.Model:
    chosen = {**TINY[architecture], **options}
    return models.make(architecture, vocabulary=AB, max_length=8, **chosen)


def draw(model: models.Model) -> Any:
    """Draw parameters whose biases are not 0, so that what happens to them is seen."""
    params = quick_jit(model.init)(jax.random.key(0))
    random = np.random.default_rng(1)
    return jax.tree.map(lambda x: np.asarray(x + 0.3 * random.normal(size=x.shape)), params)


CASES = [
    *(("transformer", {"norm": norm}, "rescale") for norm in ("pre", "post")),
    *(("transformer", {"positions": p}, "query_key") for p in ("sinusoidal", "relative")),
    ("transformer", {"positions": "rope"}, "value_output"),
    ("transformer", {"activation": "swiglu", "positions": "rope"}, "permute"),
    *(("transformer", {"norm": norm}, "all") for norm in ("pre", "post")),
    *((name, {}, "permute") for name in TINY),
]


@pytest.mark.parametrize(("architecture", "options", "change"), CASES, ids=str)
def test_the_function_stays_and_the_parameters_move(
    architecture: str, options: dict[str, Any], change: str
) -> None:
    model = make(architecture, **options)
    params = jax.tree.map(lambda x: x.astype(np.float32), draw(model))
    logits = quick_jit(model.logits)
    tokens = np.random.default_rng(0).integers(0, 3, (8, 10)).astype(np.int32)
    tokens[:, 0] = AB.bos
    before = logits(params, tokens)
    for alpha in (0.01, 0.25, 1.0, 4.0, 100.0) if CHANGES[change].scales else (1.0,):
        moved = change_params(model, params, change, alpha, 3)
        np.testing.assert_allclose(logits(moved, tokens), before, atol=1e-4, rtol=0)
        same = [np.array_equal(a, b) for a, b in _pairs(params, moved)]
        assert all(same) == (change == "rescale" and alpha == 1)
    again = change_params(model, params, change, alpha, 3)
    assert all(np.array_equal(a, b) for a, b in _pairs(moved, again))


def _pairs(one: Any, other: Any) -> list[tuple[Any, Any]]:
    return list(zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True))


def test_units_are_scaled_and_permuted_not_replaced() -> None:
    model = make("transformer")
    params = draw(model)
    up = params["blocks_1"]["up"]["kernel"]
    scaled = change_params(model, params, "rescale", 4.0, 0)["blocks_1"]["up"]["kernel"]
    np.testing.assert_allclose(scaled, 4 * up)
    moved = change_params(model, params, "permute", 1.0, 0)["blocks_1"]["up"]["kernel"]
    assert sorted(map(tuple, moved.T)) == sorted(map(tuple, up.T))


@pytest.mark.parametrize(
    ("architecture", "options", "change", "alpha", "words"),
    [
        ("transformer", {"activation": "gelu"}, "rescale", 2.0, ["change='rescale'", "'gelu'"]),
        ("transformer", {"activation": "swiglu"}, "rescale", 2.0, ["change='rescale'", "'swiglu'"]),
        ("transformer", {"positions": "rope"}, "query_key", 2.0, ["change='query_key'", "'rope'"]),
        ("transformer", {"positions": "rope"}, "all", 2.0, ["change='all'", "'rope'"]),
        ("transformer", {"activation": "gelu"}, "all", 2.0, ["change='all'", "'gelu'"]),
        ("lstm", {}, "rescale", 2.0, ["change='rescale'", "lstm"]),
        ("transformer", {}, "rescale", 0.0, ["alpha=0.0", "above 0"]),
        ("transformer", {}, "rescale", -1.0, ["alpha=-1.0", "above 0"]),
        ("transformer", {}, "permute", 2.0, ["alpha=2.0", "permute"]),
        ("transformer", {}, "none", 2.0, ["alpha=2.0", "none"]),
        ("transformer", {}, "rescal", 2.0, ["rescal", "did you mean 'rescale'"]),
    ],
)
def test_what_would_change_the_function_is_refused(
    architecture: str, options: dict[str, Any], change: str, alpha: float, words: list[str]
) -> None:
    model = make(architecture, **options)
    with pytest.raises(ConfigError) as caught:
        change_params(model, {}, change, alpha, 0)
    assert [word for word in words if word not in str(caught.value)] == []


class Mirror(Change):
    """A change of one's own for a model that knows nothing of it: tanh(−x) = −tanh(x)."""

    scales = draws = False

    def exact_for(self, model: models.Model) -> str:
        return "" if type(model).__name__ == "RNN" else "an rnn"

    def apply(self, model: Any, params: Any, alpha: float, random: np.random.Generator) -> None:
        cell = params["cells_0"]
        for leaf in (*cell["project"].values(), params["head"]["kernel"]):
            leaf *= -1


def test_a_change_of_ones_own_is_one_class() -> None:
    model, tokens = make("rnn"), np.array([[AB.bos, 0, 1, 1]], np.int32)
    params = draw(model)
    with temporarily(CHANGES, "mirror", Mirror):
        moved = change_params(model, params, "mirror", 1.0, 0)
        with pytest.raises(ConfigError, match="change='mirror': an rnn"):
            change_params(make("lstm"), {}, "mirror", 1.0, 0)
    assert not np.array_equal(moved["head"]["kernel"], params["head"]["kernel"])
    np.testing.assert_allclose(model.logits(moved, tokens), model.logits(params, tokens), atol=1e-5)


def test_a_model_may_declare_a_change_of_ones_own() -> None:
    class Shift(Declared):
        name, needs = "shift", "a shifty rnn"

    def shift(params: Any, alpha: float, random: np.random.Generator) -> None:
        params["head"]["bias"] += alpha

    class ShiftyRNN(type(make("rnn"))):  # type: ignore[misc]
        def symmetries(self) -> dict[str, models.model.Move]:
            return {**super().symmetries(), "shift": shift}

    plain, params = make("rnn"), draw(make("rnn"))
    shifty = ShiftyRNN(vocabulary=AB, max_length=8, embedding=4, hidden=6)
    with temporarily(CHANGES, "shift", Shift):
        moved = change_params(shifty, params, "shift", 2.0, 0)
        with pytest.raises(ConfigError, match="a shifty rnn, not rnn with activation 'tanh'"):
            change_params(plain, params, "shift", 2.0, 0)
    np.testing.assert_allclose(moved["head"]["bias"], params["head"]["bias"] + 2, rtol=1e-6)
    assert Shift().label == "Shift"
