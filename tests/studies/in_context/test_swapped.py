"""The construction that flips answers on a prompt set, against enumeration in float64."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from identjax import languages
from identjax.errors import ConfigError
from identjax.predictor import kl, score_by_scan
from identjax.studies.in_context.chain import Chain
from identjax.studies.in_context.swapped import ANY, swap_gap, swap_on

LENGTH, WORDS = 5, 3


@pytest.fixture(scope="module")
def tiny() -> languages.Language:
    return languages.make("ginc", LENGTH, words=WORDS, smoothing=0.1)


def all_strings(length: int) -> np.ndarray:
    return np.array(list(itertools.product(range(WORDS), repeat=length)))


def constrain(pattern: list[int]) -> np.ndarray:
    return np.array([[w in (ANY, o) for o in range(WORDS)] for w in pattern])


def log_p_of(chain: Chain, symbols: np.ndarray) -> np.ndarray:
    laws = chain.laws(symbols)[:, :-1]
    return np.log(np.take_along_axis(laws, symbols[..., None], -1)[..., 0]).sum(-1)


def test_formula_and_forward_algorithm_agree_to_a_millionth(tiny: languages.Language) -> None:
    chain, pattern = Chain.of(tiny.definition), [ANY, ANY, 0, ANY]
    documents, prompts = all_strings(LENGTH), all_strings(4)
    inside = prompts[prompts[:, 2] == 0]
    after = chain.laws(inside)[:, -1]
    formula = np.exp(log_p_of(chain, inside)) @ swap_gap(after)
    p = np.exp(log_p_of(chain, documents))
    laws = chain.laws(documents)[:, :-1]
    hit = documents[:, 2] == 0
    order = np.argsort(-laws[hit, 4], 1)
    laws[np.flatnonzero(hit)[:, None], 4, order[:, :2]] = laws[
        np.flatnonzero(hit)[:, None], 4, order[:, 1::-1]
    ]
    q = np.prod(np.take_along_axis(laws, documents[..., None], -1)[..., 0], -1)
    forward = p @ np.log(p / q)
    assert p.sum() == pytest.approx(1, rel=1e-12)
    assert forward == pytest.approx(formula, rel=1e-9)
    mass = np.exp(chain.log_mass(constrain(pattern)))
    assert mass == pytest.approx(np.exp(log_p_of(chain, inside)).sum(), rel=1e-12)
    assert formula <= mass * np.log(1 / chain.second_floor)
    assert after.min() >= 0
    assert np.sort(after, 1)[:, -2].min() >= chain.second_floor
    swapped = swap_on(tiny, [pattern])
    tokens, log_w = tiny.support()
    found = kl(tiny, swapped, jnp.asarray(tokens), jnp.asarray(log_w, jnp.float32))
    assert float(found.value) == pytest.approx(formula, rel=1e-4)


def test_a_prompt_set_may_be_listed_and_only_its_answers_flip(tiny: languages.Language) -> None:
    prompts = [[1, 0, 2], [2, 2], [1, 1, ANY, 0]]
    swapped = swap_on(tiny, prompts)
    tokens = np.asarray(tiny.support()[0])
    mine, own = np.asarray(swapped.score(tokens)), np.asarray(tiny.score(tokens))
    inside = np.zeros(tokens.shape, bool)
    for prompt in prompts:
        cells = [
            np.isin(tokens[:, i + 1], range(3) if w == ANY else w) for i, w in enumerate(prompt)
        ]
        inside[:, len(prompt)] |= np.all(cells, 0)
    assert inside.any(0).sum() == 3
    np.testing.assert_array_equal(mine[~inside], own[~inside])
    assert (mine[inside].argmax(-1) != own[inside].argmax(-1)).all()
    np.testing.assert_array_equal(np.sort(mine[inside], -1), np.sort(own[inside], -1))
    scanned = np.asarray(score_by_scan(swapped, jnp.asarray(tokens)))
    np.testing.assert_allclose(np.exp(scanned), np.exp(mine), atol=1e-5)


def test_draws_under_a_constraint_have_its_law(tiny: languages.Language) -> None:
    chain, pattern = Chain.of(tiny.definition), [ANY, 0, ANY]
    allowed = constrain(pattern)
    drawn = chain.draw(allowed, 20000, np.random.default_rng(0))
    assert (drawn[:, 1] == 0).all()
    inside = np.array([row for row in all_strings(3) if row[1] == 0])
    expected = np.exp(log_p_of(chain, inside) - chain.log_mass(allowed))
    seen = [(drawn == row).all(1).mean() for row in inside]
    np.testing.assert_allclose(seen, expected, atol=4 * np.sqrt(0.25 / 20000))


def test_the_host_chain_has_the_laws_of_the_language(tiny: languages.Language) -> None:
    tokens = np.asarray(tiny.sample(jax.random.key(0), 16))
    found = np.exp(np.asarray(tiny.score(tokens)))[:, :LENGTH, :WORDS]
    laws = Chain.of(tiny.definition).laws(tokens[:, 1 : LENGTH + 1])
    np.testing.assert_allclose(laws[:, :LENGTH], found, atol=1e-5)


@pytest.mark.parametrize(
    ("prompts", "message"),
    [
        ([[1, 2], [1, 2, 0]], "prefix-free"),
        ([[1, ANY], [ANY, 2, 0]], "prefix-free"),
        ([], "at least one"),
        ([[1, 7]], "symbols"),
        ([[1] * LENGTH], "maximum length"),
    ],
)
def test_bad_prompt_sets_are_refused(
    tiny: languages.Language, prompts: list[list[int]], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        swap_on(tiny, prompts)
    with pytest.raises(ConfigError, match="smoothing"):
        Chain.of(languages.make("ginc", LENGTH, words=WORDS).definition)
