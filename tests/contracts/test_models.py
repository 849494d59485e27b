"""What every registered architecture must keep, in every preset (the papers' sizes are slow)."""

import dataclasses
import functools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array

from identjax import models
from identjax.errors import ConfigError
from identjax.models import MODELS, Dropout, Model
from identjax.models.linen import LinenModel
from identjax.predictor import score_by_scan
from identjax.vocabulary import Vocabulary

AB = Vocabulary(("a", "b"))
# For what runs once: compiling it well would take most of the time.
quick_jit = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
LENGTH = 62
CASES = [
    pytest.param(name, preset, marks=[pytest.mark.slow] if preset == "paper" else [])
    for name in MODELS
    for preset in MODELS[name].presets
]
every_case = pytest.mark.parametrize(("name", "preset"), CASES)


def make(name: str, preset: str, max_length: int = LENGTH) -> Model:
    return models.make(name, vocabulary=AB, max_length=max_length, preset=preset)


@functools.cache
def draw_members(model: Model) -> models.model.Params:
    """Initial parameters of four members."""
    return quick_jit(jax.vmap(model.init))(jax.random.split(jax.random.key(0), 4))


def draw_params(model: Model) -> models.model.Params:
    """Initial parameters with noise on all, so that nothing is hidden by a zero."""
    draw = np.random.default_rng(0)

    def disturb(x: Array) -> Array:
        deviation = 0.2 / np.sqrt(x.shape[-2] if x.ndim > 2 else 1)
        return x[0] + (deviation * draw.normal(size=x.shape[1:])).astype(np.float32)

    return jax.tree.map(disturb, draw_members(model))


def draw_rows(lengths: tuple[int, ...], width: int, seed: int = 0) -> Array:
    """One random string of each length per row: BOS, symbols, EOS, PAD to the width."""
    draw = np.random.default_rng(seed)
    rows = np.full((len(lengths), width), AB.pad, np.int32)
    for row, n in zip(rows, lengths, strict=True):
        row[: n + 2] = [AB.bos, *draw.integers(0, 2, n), AB.eos]
    return jnp.asarray(rows)


@every_case
def test_params_are_plain_float32_arrays_of_the_key(name: str, preset: str) -> None:
    model = make(name, preset)
    init = quick_jit(model.init)
    first, again, other = (init(jax.random.key(s)) for s in (0, 0, 1))
    leaves = jax.tree.leaves(first)
    assert leaves
    assert all(isinstance(x, jax.Array) and x.dtype == jnp.float32 for x in leaves)
    assert all(jnp.array_equal(x, y) for x, y in zip(leaves, jax.tree.leaves(again), strict=True))
    assert not all(
        jnp.array_equal(x, y) for x, y in zip(leaves, jax.tree.leaves(other), strict=True)
    )


@every_case
def test_a_position_depends_on_itself_and_the_past_alone(name: str, preset: str) -> None:
    t = 7
    vocabulary = Vocabulary(tuple(f"s{i}" for i in range(t)))
    model = models.make(name, vocabulary=vocabulary, max_length=t, preset=preset)
    params = draw_params(model)
    row = jnp.array([[vocabulary.bos, *range(t - 1)]], jnp.int32)
    look_V = jax.random.normal(jax.random.key(1), (vocabulary.size,))

    def read_T(embed: Array) -> Array:
        return model.logits({**params, "embed": embed}, row)[0] @ look_V

    by_word_TxVxD = quick_jit(jax.jacrev(read_T))(params["embed"])
    reads_TxT = np.abs(by_word_TxVxD).sum(-1)[:, row[0]]
    assert np.array_equal(np.triu(reads_TxT, 1), np.zeros((t, t)))
    assert (reads_TxT[np.tril_indices(t)] > 0).all()


@every_case
def test_score_is_a_law_and_marks_are_where_they_belong(name: str, preset: str) -> None:
    model = make(name, preset)
    rows = draw_rows((0, 5, LENGTH), LENGTH + 2)
    score = np.asarray(jax.jit(lambda p: model.bind(p).score(rows))(draw_params(model)))
    ended = np.cumsum(rows == AB.eos, 1) > 0
    assert np.allclose(np.exp(score).sum(-1), 1, atol=1e-5)
    assert (score[..., AB.bos] == -np.inf).all()
    assert (score[~ended][:, AB.pad] == -np.inf).all()
    assert np.isfinite(score[~ended][:, [0, 1, AB.eos]]).all()
    assert (score[ended][:, AB.pad] == 0).all()


@every_case
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-4), ("float64", 1e-5)])
def test_parallel_score_is_the_scan_of_advance(
    name: str, preset: str, dtype: str, tolerance: float
) -> None:
    model = make(name, preset)
    rows = draw_rows((40, LENGTH), LENGTH + 2)
    params = draw_params(model)
    with jax.enable_x64(dtype == "float64"):
        predictor = model.bind(jax.tree.map(lambda x: jnp.asarray(x, dtype), params))
        parallel = jax.jit(lambda p: p.score_in_parallel(rows))
        score, scan = parallel(predictor), score_by_scan(predictor, rows)
        assert score.dtype == scan.dtype == dtype
    score, scan = np.asarray(score), np.asarray(scan)
    assert np.array_equal(score == -np.inf, scan == -np.inf)
    assert np.abs(np.exp(score) - np.exp(scan)).max() < tolerance
    live = score > -np.inf
    assert np.abs(score[live] - scan[live]).max() < tolerance


@every_case
def test_packed_strings_have_the_logits_that_they_have_alone(name: str, preset: str) -> None:
    model = make(name, preset, 9)
    if not model.packs:
        pytest.skip("says that it does not pack")
    lengths = (3, 0, 9, 6)
    params, rows = draw_params(model), draw_rows(lengths, 11)
    packed = jnp.concatenate([row[: n + 2] for row, n in zip(rows, lengths, strict=True)])[None]
    together = quick_jit(model.logits)(params, packed)[0]
    alone = quick_jit(model.logits)(params, rows)
    parts = jnp.concatenate([row[: n + 2] for row, n in zip(alone, lengths, strict=True)])
    np.testing.assert_allclose(together, parts, rtol=1e-4, atol=1e-5)


@every_case
def test_bos_sets_the_cache_back(name: str, preset: str) -> None:
    model = make(name, preset, 9)
    predictor = model.bind(draw_params(model))
    row = draw_rows((6,), 8)
    twice = score_by_scan(predictor, jnp.concatenate([row[:, :5], row[:, :6]], 1))
    np.testing.assert_allclose(twice[:, 5:], score_by_scan(predictor, row)[:, :6], atol=1e-6)


@every_case
def test_jit_changes_nothing(name: str, preset: str) -> None:
    model = make(name, preset, 6)
    params, rows = draw_params(model), draw_rows((6, 3), 8)
    compiled = jax.jit(model.logits)(params, rows)
    with jax.disable_jit():
        eager = model.logits(params, rows)
    np.testing.assert_allclose(compiled, eager, rtol=1e-4, atol=1e-5)


@every_case
def test_a_member_does_not_feel_its_neighbours(name: str, preset: str) -> None:
    model = make(name, preset, 9)
    rows = draw_rows((9, 4), 11)
    params_M = draw_members(model)
    keys_M, rates_M = jax.random.split(jax.random.key(1), 4), jnp.array([0.0, 0.1, 0.3, 0.5])

    def pull(params: models.model.Params, key: Array, rate: Array) -> models.model.Params:
        def total(p: models.model.Params) -> Array:
            return jnp.square(model.logits(p, rows, Dropout(rate, key))).sum()

        return jax.value_and_grad(total)(params)

    pull_M = jax.jit(jax.vmap(pull))
    swap = jnp.array([2, 3, 1, 0])
    plain = pull_M(params_M, keys_M, rates_M)
    moved = pull_M(jax.tree.map(lambda x: x[swap], params_M), keys_M[swap], rates_M[swap])
    broken = jax.tree.map(lambda x: x.at[1].set(jnp.nan), params_M)
    beside_nan = pull_M(broken, keys_M, rates_M)
    for x, y, z in zip(*map(jax.tree.leaves, (plain, moved, beside_nan)), strict=True):
        assert np.array_equal(x[swap], y)
        assert np.array_equal(x[jnp.array([0, 2, 3])], z[jnp.array([0, 2, 3])])


@every_case
def test_dropout_is_of_its_key_and_off_at_rate_0(name: str, preset: str) -> None:
    model = make(name, preset, 9)
    params, rows = draw_params(model), draw_rows((9, 4), 11)
    off = quick_jit(model.logits)(params, rows)

    @quick_jit
    def logits(rate: float, seed: int) -> Array:
        return model.logits(params, rows, Dropout(jnp.float32(rate), jax.random.key(seed)))

    np.testing.assert_allclose(logits(0.0, 0), off, rtol=1e-4, atol=1e-5)
    assert np.array_equal(logits(0.4, 0), logits(0.4, 0))
    assert not np.array_equal(logits(0.4, 0), logits(0.4, 1))


@every_case
def test_gradients_are_finite_at_extreme_parameters(name: str, preset: str) -> None:
    model = make(name, preset, 30)
    rows = draw_rows((30, 7), 32)

    def loss(p: models.model.Params) -> Array:
        log_p_BxT = jax.nn.log_softmax(model.logits(p, rows))[..., 0]
        return -jnp.where(rows == AB.pad, 0.0, log_p_BxT).sum()

    pull = quick_jit(jax.value_and_grad(loss))
    for gain in (0.0, 30.0, -30.0):
        value, gradient = pull(jax.tree.map(lambda x, g=gain: g * x, draw_params(model)))
        assert jnp.isfinite(value)
        assert all(jnp.isfinite(x).all() for x in jax.tree.leaves(gradient))


@pytest.mark.slow
@pytest.mark.parametrize("name", list(MODELS))
def test_long_rows_are_finite_at_the_papers_sizes(name: str) -> None:
    model = make(name, "paper", 510)
    rows = draw_rows((510,), 512)
    params = jax.tree.map(lambda x: x[0], draw_members(model))
    assert jnp.isfinite(jax.jit(model.logits)(params, rows)).all()


@every_case
def test_options_are_json_and_make_the_same_model(name: str, preset: str) -> None:
    found = make(name, preset).options()
    assert list(found) == sorted(found)
    options = json.loads(json.dumps(found))
    again = models.make(name, vocabulary=AB, max_length=LENGTH, **options)
    assert again == make(name, preset)
    assert hash(again) == hash(make(name, preset))


@pytest.mark.parametrize("name", list(MODELS))
def test_both_presets_are_there_and_small_is_small(name: str) -> None:
    assert {"paper", "small"} <= set(MODELS[name].presets)
    params = jax.eval_shape(make(name, "small", 32).init, jax.random.key(0))
    assert sum(x.size for x in jax.tree.leaves(params)) < 50_000


@pytest.mark.parametrize("name", list(MODELS))
def test_bad_options_are_named(name: str) -> None:
    def fails(**options: object) -> str:
        with pytest.raises(ConfigError) as caught:
            models.make(name, vocabulary=AB, max_length=8, **options)  # type: ignore[arg-type]
        return str(caught.value)

    assert "did you mean 'paper'" in fails(preset="papr")
    whole = next(k for k, v in make(name, "small").options().items() if type(v) is int)
    assert f"{whole}=0" in fails(**{whole: 0})
    assert f"{whole}=2.5" in fails(**{whole: 2.5})
    assert f"did you mean {whole!r}" in fails(**{f"{whole}_": 3})
    with pytest.raises(ConfigError, match="max_length=0"):
        models.make(name, vocabulary=AB, max_length=0)


@pytest.mark.parametrize("name", list(MODELS))
def test_rows_longer_than_any_string_are_refused(name: str) -> None:
    model = make(name, "small", 8)
    learner = model.bind(draw_members(model))
    with pytest.raises(ConfigError, match="positions=11: at most 10"):
        learner.score(jnp.zeros((1, 11), jnp.int32))
    if not model.packs:
        with pytest.raises(ConfigError, match="positions=11: at most 10"):
            model.logits(draw_params(model), jnp.zeros((1, 11), jnp.int32))


@pytest.mark.parametrize("name", list(MODELS))
def test_parameters_serve_another_length_or_name_the_one_they_are_for(name: str) -> None:
    learned = {"positions": "learned"} if name == "transformer" else {}
    model = models.make(name, vocabulary=AB, max_length=6, **learned)
    params = jax.tree.map(lambda x: x[0], draw_members(model))
    bound = isinstance(model, LinenModel) and model.learned_length(params) is not None
    assert bound or not (learned or name == "linear")
    for length in (3, 9):
        other, row = dataclasses.replace(model, max_length=length), draw_rows((length,), length + 2)
        for use in (other.start, lambda p, m=other, r=row: m.bind(p).score(r)):
            if bound:
                with pytest.raises(ConfigError, match=f"max_length={length}: 6, the maximum"):
                    use(params)
            else:
                jax.eval_shape(use, params)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"heads": 3}, "heads=3: a divisor of d_model=16"),
        ({"qkv_block": 5}, "qkv_block=5: a divisor of 32"),
        ({"slstm_at": (2,)}, "slstm_at=2: layers from 0 to 1"),
        ({"slstm_at": 1}, "slstm_at=1: a list of layers"),
        ({"ff_factor": 0.0}, "ff_factor=0.0: a number above 0"),
    ],
)
def test_options_of_xlstm_that_do_not_fit_are_named(options: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        models.make("xlstm", vocabulary=AB, max_length=8, **options)


def test_an_unknown_architecture_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'transformer'"):
        models.make("transfomer", vocabulary=AB, max_length=8)
