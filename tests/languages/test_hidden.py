"""Languages with hidden states: each filter against a second, independent computation."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from identjax import languages
from identjax.errors import ConfigError
from identjax.languages.known import ginc
from identjax.languages.known.dfa import draw_dfa
from tests.contracts.test_language_samples import check_frequencies
from tests.planted import log_prob_of


def forward(parts: ginc.Parts, words: list[int], smoothing: float = 0.0) -> float:
    """Log p by dense matrices of 100 states a concept, in linear probabilities."""
    total = []
    emitted = parts.memory.ravel()
    for concept in range(ginc.CONCEPTS):
        moves = (1 - smoothing) * np.kron(parts.v, parts.s[concept]) + smoothing / 100
        belief, log_p = parts.start[concept].ravel(), -np.log(ginc.CONCEPTS)
        for i, word in enumerate(words):
            belief = np.where(emitted == word, belief @ moves if i else belief, 0)
            if not belief.sum():
                log_p = -np.inf
                break
            log_p += np.log(belief.sum())
            belief = belief / belief.sum()
        total.append(log_p)
    return float(np.logaddexp.reduce(total))


@pytest.mark.parametrize("smoothing", [0.0, 0.05])
def test_the_bayes_loss_of_ginc_agrees_between_two_computations(smoothing: float) -> None:
    lang = languages.make("ginc", 48, smoothing=smoothing, seed=3)
    tokens = np.asarray(lang.sample(jax.random.key(0), 16))
    scored = np.asarray(log_prob_of(lang.score(tokens), tokens))
    words = [row[1:49].tolist() for row in tokens]
    direct = [forward(lang.definition.parts, row, smoothing) for row in words]
    np.testing.assert_allclose(scored, direct, rtol=2e-5)


def test_an_hmm_agrees_with_the_sum_over_paths() -> None:
    lang = languages.make("hmm", 12, hidden=4, letters=3)
    tokens = np.asarray(lang.sample(jax.random.key(1), 32))
    core = lang.core
    start, moves, emit = (
        np.exp(np.asarray(x)) for x in (core.log_start, core.log_s, core.log_emit)
    )
    expected = []
    for row in tokens:
        words = [int(t) for t in row[1:] if t < 3]
        belief = start[0, 0] * emit[0, :, words[0]]
        for word in words[1:]:
            belief = (belief @ moves[0]) * emit[0, :, word]
        expected.append(np.log(belief.sum() / 12))
    found = np.asarray(log_prob_of(lang.score(tokens), tokens))
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_smoothing_is_a_number_that_can_be_swept() -> None:
    lang = languages.make("ginc", 20)
    tokens = lang.sample(jax.random.key(0), 4)

    @jax.jit
    @jax.vmap
    def sweep(smoothing: jax.Array) -> jax.Array:
        return dataclasses.replace(lang.core, smoothing=smoothing).score(tokens)

    swept = sweep(jnp.array([0.0, 0.1], jnp.float32))
    np.testing.assert_allclose(swept[0], lang.score(tokens), atol=1e-4)
    fixed = languages.make("ginc", 20, smoothing=0.1).score(tokens)
    np.testing.assert_allclose(swept[1], fixed, atol=1e-4)


def test_draws_with_smoothing_follow_the_smoothed_law() -> None:
    lang = languages.make("ginc", 4, words=4, smoothing=0.4, seed=1)
    found = lang.support(2000)
    assert found is not None
    draws = [np.asarray(lang.core.sample(jax.random.key(s), 1024)) for s in range(4)]
    check_frequencies(draws, found[0], np.exp(found[1]))


def test_entropy_that_is_not_exact_raises() -> None:
    for name in ("hmm", "ginc"):
        with pytest.raises(ConfigError, match="entropy"):
            _ = languages.make(name, 32).entropy
    with pytest.raises(ConfigError, match="given the length"):
        _ = languages.make("hmm", 32).by_length


def test_random_automata_are_trimmed_minimal_and_legal() -> None:
    for seed in range(20):
        table = draw_dfa((seed,), 18, 12).next_state
        assert 1 <= len(table) <= 12
        edges = (table >= 0).sum(1)
        assert edges.min() >= 1
        assert edges.max() <= 3
        reached = {0}
        for _ in table:
            reached |= {int(t) for q in reached for t in table[q] if t >= 0}
        assert reached == set(range(len(table)))


def test_regbench_learns_which_automaton_it_reads() -> None:
    lang = languages.make("regbench", 160, pool=4, most_strings=10, seed=1)
    tokens = np.asarray(lang.sample(jax.random.key(0), 8))
    for row in tokens:
        text = lang.vocabulary.decode(row).split("|")
        assert len(text) == 10
        legal = [all(accepts(dfa.next_state, s) for s in text) for dfa in lang.definition.dfas]
        assert any(legal)
    with pytest.raises(ConfigError, match="max_length"):
        languages.make("regbench", 20)


def accepts(table: np.ndarray, text: str) -> bool:
    state = 0
    for letter in text:
        state = table[state, ord(letter) - ord("a")]
        if state < 0:
            return False
    return True
