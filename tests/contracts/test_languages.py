"""Every registered language against brute force over all strings up to a small length."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from identjax import languages
from identjax.errors import ConfigError
from identjax.predictor import score_by_scan
from tests.contracts.brute import (
    BLOCK,
    MOST_STRINGS,
    as_prompts,
    brute,
    draw,
    every,
    make_small,
    score_all,
)
from tests.planted import log_prob_of


@every
def test_probabilities_of_all_strings_sum_to_one(name: str) -> None:
    truth = brute(name)
    assert np.exp(truth.log_p).sum() == pytest.approx(1, abs=1e-6)


@every
def test_conditionals_are_ratios_of_masses(name: str) -> None:
    truth = brute(name)
    vocabulary, symbols = truth.lang.vocabulary, len(truth.lang.vocabulary.symbols)
    seen = set()
    for row, score in zip(truth.tokens, truth.scores, strict=True):
        string = tuple(int(t) for t in row[1:] if t < symbols)
        if string in seen or string not in truth.mass:
            continue
        seen.add(string)
        here = truth.mass[string]
        expected = np.zeros(vocabulary.size)
        expected[:symbols] = [truth.mass.get((*string, s), 0) / here for s in range(symbols)]
        expected[vocabulary.eos] = truth.ends[string] / here
        np.testing.assert_allclose(np.exp(score[len(string)]), expected, atol=3e-6)
    assert len(seen) == len(truth.mass)


@every
def test_entropy_lengths_and_count_are_exact(name: str) -> None:
    truth = brute(name)
    lang, p = truth.lang, np.exp(truth.log_p)
    lengths = (truth.tokens < lang.vocabulary.eos).sum(1)
    law = np.bincount(lengths, p, minlength=lang.max_length + 1)
    assert lang.entropy == pytest.approx(-(p * np.where(p > 0, truth.log_p, 0)).sum(), abs=1e-5)
    np.testing.assert_allclose(lang.length_probs, law, atol=1e-6)
    assert lang.mean_targets == pytest.approx(1 + lengths @ p, abs=1e-5)
    assert lang.count == (p > 0).sum()


@every
def test_support_lists_every_string_in_order(name: str) -> None:
    truth = brute(name)
    found = truth.lang.support(MOST_STRINGS)
    assert found is not None
    tokens, log_p = found
    possible = truth.log_p > -np.inf
    np.testing.assert_array_equal(tokens, truth.tokens[possible])
    np.testing.assert_allclose(log_p, truth.log_p[possible], atol=1e-5)
    assert truth.lang.support(len(tokens) - 1) is None


@every
def test_possible_is_having_an_extension(name: str) -> None:
    truth = brute(name)
    for length in range(truth.lang.max_length + 1):
        strings = [string for string in truth.ends if len(string) == length]
        found = truth.lang.possible(as_prompts(truth.lang, strings))
        np.testing.assert_array_equal(found, [string in truth.mass for string in strings])


@every
def test_strings_keep_the_rules(name: str) -> None:
    truth = brute(name)
    for rule in truth.lang.rules.values():
        kept = np.asarray(rule.holds(truth.tokens))[truth.log_p > -np.inf]
        assert kept.all() == (not truth.lang.definition.noisy)


@every
def test_satisfiable_is_having_a_continuation_that_holds(name: str) -> None:
    truth = brute(name)
    lang = truth.lang
    lengths = (truth.tokens < lang.vocabulary.eos).sum(1)
    for rule, k in itertools.product(lang.judged, (0, 2)):
        strings = [string for string in truth.ends if len(string) == k]
        prompts = as_prompts(lang, strings)
        held = np.asarray(lang.judge(rule, truth.tokens, k)) & (lengths >= k)
        kept = {tuple(row) for row in truth.tokens[held][:, : k + 1].tolist()}
        expected = [tuple(row) in kept for row in prompts.tolist()]
        np.testing.assert_array_equal(lang.satisfiable(rule, prompts), expected)


@every
def test_off_the_support_the_truth_is_dead_for_good(name: str) -> None:
    lang = make_small(name)
    rng = np.random.default_rng(0)
    tokens = rng.integers(lang.vocabulary.size, size=(BLOCK, lang.max_length + 2))
    tokens[::2, 0] = lang.vocabulary.bos
    splice = rng.integers(tokens.shape[1], size=(BLOCK, 1)) > np.arange(tokens.shape[1])
    tokens = np.concatenate([tokens, np.where(splice, draw(lang, 1), tokens)])
    scores = score_all(lang, tokens)
    assert not np.isnan(scores).any()
    dead = (scores == -np.inf).all(-1)
    np.testing.assert_array_equal(dead, np.maximum.accumulate(dead, 1))
    sums = np.exp(scores.astype(np.float64)).sum(-1)
    np.testing.assert_allclose(sums[~dead], 1, atol=2e-6)
    before = np.take_along_axis(scores[:, :-1], tokens[:, 1:, None], -1)[..., 0]
    np.testing.assert_array_equal(dead[:, 1:], dead[:, :-1] | (before == -np.inf))


@every
def test_marks_have_their_places(name: str) -> None:
    lang = make_small(name)
    v = lang.vocabulary
    tokens = draw(lang, 2)
    scores = score_all(lang, tokens)
    ended = np.maximum.accumulate(tokens == v.eos, 1)
    assert (scores[..., v.bos] == -np.inf).all()
    assert (scores[~ended][:, v.pad] == -np.inf).all()
    np.testing.assert_allclose(scores[ended][:, v.pad], 0, atol=1e-6)
    assert np.isfinite(np.asarray(log_prob_of(scores, tokens))).all()


@every
def test_score_is_the_scan_of_advance(name: str) -> None:
    lang = make_small(name)
    tokens = draw(lang, 3)
    broken = np.random.default_rng(4).random(tokens.shape) < 0.1
    for rows in (tokens, np.where(broken, 0, tokens)):
        scanned = np.asarray(score_by_scan(lang.core, rows[:64]))
        np.testing.assert_allclose(score_all(lang, rows)[:64], scanned, atol=1e-5)


@every
def test_a_language_is_a_pytree(name: str) -> None:
    lang = make_small(name)
    tokens = draw(lang, 0)

    @jax.jit
    def use(stack: languages.Language, keys: jax.Array) -> tuple[jax.Array, jax.Array]:
        return jax.vmap(lambda one, key: (one.score(tokens), one.sample(key, BLOCK)))(stack, keys)

    stack = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), lang)
    keys = jax.random.split(jax.random.key(6), 2)
    scores, rows = use(stack, keys)
    np.testing.assert_allclose(scores[1], score_all(lang, tokens), atol=1e-5)
    np.testing.assert_array_equal(rows[1], lang.sample(keys[1], BLOCK))


@every
def test_bad_input_is_named(name: str) -> None:
    lang = make_small(name)
    for max_length in (-1, 0, 2.5, "8"):
        with pytest.raises(ConfigError, match="max_length"):
            languages.make(name, max_length)
    with pytest.raises(ConfigError, match="no_such_option"):
        languages.make(name, 8, no_such_option=1)
    with pytest.raises(ConfigError, match="token=99"):
        lang.score(np.full((1, 3), 99))
    with pytest.raises(ConfigError, match="length"):
        lang.prompts("ood", length=lang.max_length + 1)
    with pytest.raises(ConfigError, match="split"):
        lang.prompts("odd")
    with pytest.raises(ConfigError, match="rule"):
        lang.satisfiable("R9", np.full((1, 1), lang.vocabulary.bos))


@every
def test_prompts_are_split_by_what_is_possible(name: str) -> None:
    lang = make_small(name)
    length = min(3, lang.max_length)
    everything = len(lang.vocabulary.symbols) ** length
    inside, outside = lang.prompts("id", length), lang.prompts("ood", length)
    assert len(inside.tokens) + len(outside.tokens) == everything
    assert lang.possible(inside.tokens).all()
    assert not len(outside.tokens) or not lang.possible(outside.tokens).any()
    assert set(inside.breaks) == set(lang.rules)
    assert lang.definition.noisy or not any(broken.any() for broken in inside.breaks.values())
    for rule, broken in outside.breaks.items():
        if len(broken):
            np.testing.assert_array_equal(~broken, lang.satisfiable(rule, outside.tokens))
    assert lang.prompts("bos").tokens.tolist() == [[lang.vocabulary.bos]]


def test_a_wrong_name_says_what_is_near() -> None:
    with pytest.raises(ConfigError, match="did you mean 'L3'"):
        languages.make("L33", 8)
