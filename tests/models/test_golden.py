"""Agreement with PyTorch, the xlstm package, and Mamba's definition; see make_golden.py."""

import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array

from identjax import models
from identjax.models.families.mamba import Mamba, MambaMixer
from identjax.models.parts.layers import locate
from identjax.models.parts.mlstm import Gated, mix_chunked, mix_parallel, start_memory, step_memory
from identjax.models.parts.slstm import start_scalars, step_scalars
from identjax.vocabulary import Vocabulary

AB = Vocabulary(("a", "b"))
LENGTH = 16
Arrays = dict[str, np.ndarray]


def read(case: str) -> Arrays:
    with np.load(pathlib.Path(__file__).with_name("golden.npz")) as file:
        cut = len(case) + 1
        return {k[cut:]: file[k] for k in file if k.startswith(f"{case}/")}


def check_logits(model: models.Model, params: models.model.Params, golden: Arrays) -> None:
    tokens = jnp.asarray(golden["tokens"], jnp.int32)
    expected = jax.eval_shape(model.init, jax.random.key(0))
    assert jax.tree.map(np.shape, params) == jax.tree.map(np.shape, expected)
    params = jax.tree.map(jnp.asarray, params)
    np.testing.assert_allclose(
        jax.jit(model.logits)(params, tokens), golden["logits"], rtol=1e-5, atol=1e-5
    )


def linear(golden: Arrays, name: str) -> dict[str, np.ndarray]:
    return {"kernel": golden[f"{name}.weight"].T, "bias": golden[f"{name}.bias"]}


@pytest.mark.parametrize(("case", "name"), [("RNN", "rnn"), ("LSTM", "lstm"), ("GRU", "gru")])
def test_recurrent_nets_are_those_of_pytorch(case: str, name: str) -> None:
    golden = read(case)
    params = {"embed": golden["embed.weight"], "head": linear(golden, "head")}
    for layer in range(2):
        w_i, w_h, b_i, b_h = (
            golden[f"layers.{part}_l{layer}"]
            for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        inner = np.zeros(len(b_h), bool)
        cell = {"recurrent": w_h.T}
        if name == "gru":
            inner[-len(b_h) // 3 :] = True
            cell["inner_bias"] = b_h[inner]
        cell["project"] = {"kernel": w_i.T, "bias": b_i + np.where(inner, 0, b_h)}
        params[f"cells_{layer}"] = cell
    model = models.make(name, vocabulary=AB, max_length=LENGTH, embedding=8, hidden=12, layers=2)
    check_logits(model, params, golden)


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_the_transformer_is_that_of_pytorch(norm: str) -> None:
    golden = read(f"Transformer{norm.title()}")

    def norm_of(name: str) -> Arrays:
        return {"scale": golden[f"{name}.weight"], "bias": golden[f"{name}.bias"]}

    params = {"embed": golden["embed.weight"], "head": linear(golden, "head")}
    for layer in range(2):
        at = f"encoder.layers.{layer}"
        joined = {
            "kernel": golden[f"{at}.self_attn.in_proj_weight"].T,
            "bias": golden[f"{at}.self_attn.in_proj_bias"],
        }
        attention = {"qkv": joined, "out": linear(golden, f"{at}.self_attn.out_proj")}
        params[f"blocks_{layer}"] = {
            "attention": attention,
            "norms_0": norm_of(f"{at}.norm1"),
            "norms_1": norm_of(f"{at}.norm2"),
            "up": linear(golden, f"{at}.linear1"),
            "down": linear(golden, f"{at}.linear2"),
        }
    if norm == "pre":
        params["last"] = norm_of("encoder.norm")
    model = models.make(
        "transformer",
        vocabulary=AB,
        max_length=LENGTH,
        d_model=8,
        heads=2,
        ff=12,
        norm=norm,
        epsilon=6e-3,
        positions="none",
    )
    check_logits(model, params, golden)


def read_mlstm() -> tuple[Gated, Array]:
    golden = read("mLSTM")
    moved = {k: jnp.swapaxes(jnp.asarray(v), 1, 2) for k, v in golden.items()}
    gated = Gated(*(moved[k] for k in "qkv"), moved["i"][..., 0], moved["f"][..., 0])
    return gated, moved["h"]


@pytest.mark.parametrize("chunk", [None, 1, 5, 8, 16, 40])
def test_the_mlstm_is_that_of_the_xlstm_package(chunk: int | None) -> None:
    gated, h = read_mlstm()
    string = jnp.zeros(h.shape[:2], jnp.int32)
    mixed = mix_chunked(gated, string, chunk) if chunk else mix_parallel(gated, string)
    np.testing.assert_allclose(mixed, h, rtol=1e-4, atol=1e-5)


def test_the_mlstm_agrees_step_by_step() -> None:
    gated, h = read_mlstm()
    memory = start_memory(h.shape[2:3], h.shape[3], h.dtype)
    over_time = Gated(*(a[0] for a in gated))
    stepped = jax.lax.scan(step_memory, memory, over_time)[1]
    np.testing.assert_allclose(stepped, h[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("chunk", [1, 5, 8])
def test_chunks_forget_at_the_start_of_a_string_as_the_whole_does(chunk: int) -> None:
    gated, h = read_mlstm()
    string = jnp.asarray(np.arange(h.shape[1])[None] // np.array([[5], [7]]), jnp.int32)
    whole = mix_parallel(gated, string)
    assert not np.allclose(whole, h, atol=1e-2)
    np.testing.assert_allclose(mix_chunked(gated, string, chunk), whole, rtol=1e-4, atol=1e-5)


def test_the_slstm_is_that_of_the_xlstm_package() -> None:
    golden = read("sLSTM")
    (rows, t), (heads, k) = golden["inputs"].shape[:2], golden["recurrent"].shape[:2]
    inputs = golden["inputs"].reshape(rows, t, 4, heads, k)
    raw = inputs.transpose(1, 0, 3, 2, 4).reshape(t, rows, heads, 4 * k)
    raw = jnp.asarray(raw + golden["bias"].reshape(heads, 4 * k))
    recurrent = jnp.asarray(golden["recurrent"].reshape(heads, k, 4 * k))
    state, found = start_scalars((rows, heads, k), raw.dtype), []
    for at in raw:
        state = step_scalars(recurrent, at, state)
        found.append(state.h)
    np.testing.assert_allclose(jnp.stack(found, 2), golden["h"], rtol=1e-4, atol=1e-5)


def test_mambas_mixer_is_its_definition() -> None:
    golden = {k: jnp.asarray(v) for k, v in read("Mamba").items()}
    options = {"d_model": 8, "d_state": 4, "d_conv": 4, "expand": 2, "layers": 1}
    model = models.make("mamba", vocabulary=AB, max_length=LENGTH, **options)
    assert isinstance(model, Mamba)
    params = {
        "enter": {"kernel": golden["enter"]},
        "conv": {"kernel": golden["conv"], "bias": golden["conv_bias"]},
        "select": {"kernel": golden["select"]},
        "delta": {"kernel": golden["delta"], "bias": golden["delta_bias"]},
        "log_a": golden["log_a"],
        "skip": golden["skip"],
        "out": {"kernel": golden["out"]},
    }
    expected = jax.eval_shape(model.init, jax.random.key(0))["layers_0"]
    assert jax.tree.map(np.shape, params) == jax.tree.map(np.shape, expected)
    inputs = golden["inputs"]
    places = locate(jnp.zeros(inputs.shape[:2], jnp.int32), AB.bos)
    outputs = MambaMixer(model).apply({"params": params}, inputs, places)
    np.testing.assert_allclose(outputs, golden["outputs"], rtol=1e-4, atol=1e-5)
