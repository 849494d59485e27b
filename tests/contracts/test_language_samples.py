"""Draws of every registered language against its exact law, over several seeds."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from identjax.errors import ConfigError
from identjax.predictor import Predictor
from tests.contracts.brute import BLOCK, brute, draw, every


def pool_rare(counts: np.ndarray, expected: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Merge cells with an expected count below 5, as a chi-square needs."""
    rare = expected < 5
    if not rare.any():
        return counts, expected
    merged = (
        np.append(counts[~rare], counts[rare].sum()),
        np.append(expected[~rare], expected[rare].sum()),
    )
    if merged[1][-1] >= 5 or len(merged[1]) == 1:
        return merged
    order = np.argsort(merged[1])
    joined = [np.append(part[order[2:]], part[order[:2]].sum()) for part in merged]
    return joined[0], joined[1]


def check_frequencies(draws: list[np.ndarray], tokens: np.ndarray, p: np.ndarray) -> None:
    """Chi-square of each draw against exact probabilities, added up over the seeds."""
    index = {tuple(row): i for i, row in enumerate(tokens.tolist())}
    total, freedom = 0.0, 0
    for rows in draws:
        found = [index[tuple(row)] for row in rows.tolist()]
        counts, expected = pool_rare(np.bincount(found, minlength=len(p)), p * len(rows))
        total += float(((counts - expected) ** 2 / expected).sum())
        freedom += len(expected) - 1
    if freedom:
        assert 1e-5 < stats.chi2.sf(total, freedom) < 1 - 1e-5


@every
def test_samples_follow_the_law(name: str) -> None:
    truth = brute(name)
    possible = truth.log_p > -np.inf
    tokens, p = truth.tokens[possible], np.exp(truth.log_p[possible])
    draws = [draw(truth.lang, seed) for seed in range(6)]
    assert draws[0].shape == (BLOCK, truth.lang.max_length + 2)
    check_frequencies(draws, tokens, p / p.sum())


# One language for each kind of Predictor that is behind a language.
@pytest.mark.parametrize("name", ["L1", "L4", "L6", "copy", "hmm"])
def test_generic_samples_follow_the_law(name: str) -> None:
    truth = brute(name)
    possible = truth.log_p > -np.inf
    generic = [
        np.asarray(Predictor.sample(truth.lang.core, jax.random.key(s), 500)) for s in range(3)
    ]
    p = np.exp(truth.log_p[possible])
    check_frequencies(generic, truth.tokens[possible], p / p.sum())


@every
def test_samples_of_a_length_follow_the_law_given_it(name: str) -> None:
    truth = brute(name)
    lang = truth.lang
    try:
        sampler = lang.by_length
    except ConfigError:
        pytest.skip("this language has no exact law given the length, and says so")
    lengths = (truth.tokens < lang.vocabulary.eos).sum(1)
    for length in np.flatnonzero(lang.length_probs > 0):
        among = (lengths == length) & (truth.log_p > -np.inf)
        p = np.exp(truth.log_p[among])
        wanted = jnp.full(400, length, jnp.int32)
        draws = [np.asarray(sampler.sample(jax.random.key(s), wanted)) for s in range(3)]
        check_frequencies(draws, truth.tokens[among], p / p.sum())
    absent = np.flatnonzero(lang.length_probs == 0)
    if len(absent):
        rows = np.asarray(lang.by_length.sample(jax.random.key(0), jnp.asarray(absent)))
        assert (rows[:, 1:] == lang.vocabulary.pad).all()
