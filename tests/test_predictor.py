"""What can be done with any predictor: scores, completions, divergences, mixtures."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from identjax import languages, models
from identjax.errors import ConfigError
from identjax.mixture import Mixture
from identjax.predictor import complete, complete_stack, kl, score_by_scan
from tests.planted import log_prob_of

LENGTH = 6


@pytest.fixture(scope="module")
def truth() -> languages.Language:
    return languages.make("L3", max_length=LENGTH)


@pytest.fixture(scope="module")
def stack(truth: languages.Language) -> models.Learner:
    model = models.make("lstm", vocabulary=truth.vocabulary, max_length=LENGTH, hidden=4)
    return model.bind(jax.vmap(model.init)(jax.random.split(jax.random.key(0), 3)))


def take(stack: models.Learner, m: int) -> models.Learner:
    return jax.tree.map(lambda leaf: leaf[m], stack)


def strings_up_to(truth: languages.Language, longest: int) -> np.ndarray:
    v = truth.vocabulary
    rows = [
        [v.bos, *string, v.eos] + [v.pad] * (LENGTH - len(string))
        for n in range(longest + 1)
        for string in itertools.product(range(v.eos), repeat=n)
    ]
    return np.array(rows, np.int32)


def test_greedy_completion_takes_the_likeliest_token_until_the_end(
    truth: languages.Language,
) -> None:
    prompts = np.array([[truth.vocabulary.bos, 0, 0, 1]], np.int32)
    done = complete(truth, prompts)
    assert truth.vocabulary.decode(np.asarray(done.tokens)[0]) == "aabb"
    assert bool(done.finished[0])
    dead = complete(truth, np.array([[truth.vocabulary.bos, 1, 0]], np.int32))
    assert truth.vocabulary.decode(np.asarray(dead.tokens)[0]) == "ba"
    assert not bool(dead.finished[0])


def test_a_prompt_longer_than_any_string_is_refused(truth: languages.Language) -> None:
    with pytest.raises(ConfigError, match="prompt length=8: at most 6 symbols"):
        complete(truth, np.full((1, LENGTH + 3), truth.vocabulary.bos, np.int32))


@pytest.mark.parametrize("sampled", [False, True])
def test_a_stack_completes_as_its_members_do(
    truth: languages.Language, stack: models.Learner, sampled: bool
) -> None:
    v = truth.vocabulary
    prompts = np.array([[v.bos, *p] for p in itertools.product((0, 1), repeat=3)], np.int32)
    keys = jax.random.split(jax.random.key(1), 3) if sampled else None
    together = complete_stack(stack, prompts, keys)
    assert together.tokens.shape == (3, 8, LENGTH + 2)
    for m in range(3):
        alone = complete(take(stack, m), prompts, None if keys is None else keys[m])
        np.testing.assert_array_equal(together.tokens[m], alone.tokens)
        np.testing.assert_array_equal(together.finished[m], alone.finished)
    tokens, finished = (np.asarray(leaf) for leaf in together)
    np.testing.assert_array_equal((tokens == v.eos).any(-1), finished)
    assert ((tokens < v.eos).sum(-1) <= LENGTH).all()


@pytest.mark.parametrize("sampled", [False, True])
def test_prompts_of_several_lengths_are_continued_as_those_of_each(
    truth: languages.Language, stack: models.Learner, sampled: bool
) -> None:
    v = truth.vocabulary
    texts = ["b", "", "aab", "ab", "a" * LENGTH, "ba"]
    lengths = np.array([len(text) + 1 for text in texts], np.int32)
    prompts = np.full((len(texts), LENGTH + 2), v.pad, np.int32)
    for row, text in enumerate(texts):
        prompts[row, : lengths[row]] = [v.bos, *v.encode(text)]
    keys = jax.random.split(jax.random.key(1), 3) if sampled else None
    together = complete_stack(stack, prompts, keys, lengths)
    for length in set(lengths.tolist()):
        alone = complete_stack(stack, prompts[:, :length], keys)
        rows = lengths == length
        for whole, part in zip(together, alone, strict=True):
            np.testing.assert_array_equal(np.asarray(whole)[:, rows], np.asarray(part)[:, rows])


def test_samples_of_a_learner_follow_its_law(
    truth: languages.Language, stack: models.Learner
) -> None:
    learner = take(stack, 0)
    tokens = np.asarray(learner.sample(jax.random.key(2), 4000))
    assert tokens.shape == (4000, LENGTH + 2)
    short = strings_up_to(truth, 2)
    expected = np.exp(np.asarray(log_prob_of(learner.score(short), short)))
    found = [(tokens == row).all(1).mean() for row in short]
    spread = np.sqrt(expected * (1 - expected) / 4000)
    assert (np.abs(found - expected) < 4.5 * spread + 1e-3).all()


def test_kl_is_zero_to_itself_exact_on_a_support_and_estimated_by_draws(
    truth: languages.Language, stack: models.Learner
) -> None:
    learner = take(stack, 1)
    tokens, log_p = truth.support()
    exact = kl(truth, learner, tokens, jnp.asarray(log_p, jnp.float32))
    log_q = np.asarray(log_prob_of(learner.score(tokens), tokens))
    assert float(exact.value) == pytest.approx(float(np.exp(log_p) @ (log_p - log_q)), rel=1e-5)
    assert float(exact.stderr) == 0.0
    drawn = kl(truth, learner, truth.sample(jax.random.key(3), 2000))
    assert abs(float(drawn.value - exact.value)) < 4.5 * float(drawn.stderr)
    itself = kl(learner, learner, tokens)
    assert float(itself.value) == 0.0
    assert float(kl(learner, truth, tokens).value) == np.inf


@pytest.mark.parametrize("stacked", [True, False])
def test_a_mixture_gives_strings_the_mean_of_their_probabilities(
    truth: languages.Language, stack: models.Learner, stacked: bool
) -> None:
    weights = np.array([0.5, 0.3, 0.2])
    parts = stack if stacked else tuple(take(stack, m) for m in range(3))
    mixture = Mixture(parts, jnp.log(jnp.asarray(weights, jnp.float32)))
    tokens = strings_up_to(truth, LENGTH)
    each = [np.asarray(log_prob_of(take(stack, m).score(tokens), tokens)) for m in range(3)]
    expected = np.log(weights @ np.exp(np.stack(each).astype(np.float64)))
    found = np.asarray(log_prob_of(score_by_scan(mixture, tokens), tokens))
    np.testing.assert_allclose(found, expected, atol=2e-5)


def test_a_mixture_of_truths_rules_out_and_dies(truth: languages.Language) -> None:
    other = languages.make("L1", max_length=LENGTH)
    mixture = Mixture((truth, other), jnp.log(jnp.asarray([0.25, 0.75], jnp.float32)))
    tokens = strings_up_to(truth, LENGTH)
    both = [np.exp(np.asarray(log_prob_of(p.score(tokens), tokens))) for p in (truth, other)]
    found = np.exp(np.asarray(log_prob_of(score_by_scan(mixture, tokens), tokens)))
    np.testing.assert_allclose(found, 0.25 * both[0] + 0.75 * both[1], atol=1e-6)
    assert found.sum() == pytest.approx(1.0, abs=1e-5)
    impossible = np.array([[truth.vocabulary.bos, 0, 1, 0, 0, 0]], np.int32)
    scores = np.asarray(score_by_scan(mixture, impossible))
    assert not np.isnan(scores).any()
    assert (scores[0, 3:] == -np.inf).all()
