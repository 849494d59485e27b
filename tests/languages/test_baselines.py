"""Baselines against brute force, and the figures that the papers' prompts imply."""

import itertools

import jax
import numpy as np
import pytest

from identjax import languages
from identjax.errors import ConfigError
from identjax.languages import baselines, rules
from identjax.languages.law.graph import frame
from identjax.predictor import Predictor, complete, score_by_scan
from tests.planted import log_prob_of


def all_strings(lang: languages.Language, longest: int) -> np.ndarray:
    symbols = len(lang.vocabulary.symbols)
    rows = [frame(lang.vocabulary, np.zeros((1, 0), int), lang.max_length)]
    for k in range(1, longest + 1):
        parts = np.array(list(itertools.product(range(symbols), repeat=k)))
        rows.append(frame(lang.vocabulary, parts, lang.max_length))
    return np.concatenate(rows)


def probabilities(predictor: Predictor, tokens: np.ndarray) -> np.ndarray:
    return np.exp(np.asarray(log_prob_of(predictor.score(tokens), tokens), np.float64))


@pytest.mark.parametrize(("name", "rule"), [("L1", "R1"), ("L1", "R2c"), ("L3", "R1")])
def test_chance_is_what_uniform_does(name: str, rule: str) -> None:
    lang = languages.make(name, 6)
    prompts = lang.prompts("ood", 3).tokens
    tokens = all_strings(lang, 6)
    p = probabilities(baselines.uniform(lang), tokens)
    kept = np.asarray(lang.judge(rule, tokens, 3))
    expected = []
    for prompt in prompts:
        begins = (tokens[:, :4] == prompt).all(1)
        given = p[begins & kept].sum() * (len(lang.vocabulary.symbols) + 1) ** 3
        expected.append(given)
    assert baselines.chance_rate(lang, rule, prompts) == pytest.approx(np.mean(expected), 1e-5)


@pytest.mark.parametrize(
    ("name", "rule", "rate"), [("L1", "R1", 0.5), ("L1", "R2c", 0.333), ("L3", "R2c", 0.75)]
)
def test_chance_out_of_distribution(name: str, rule: str, rate: float) -> None:
    lang = languages.make(name, 256)
    prompts = lang.prompts("ood").tokens
    kept = prompts[lang.satisfiable(rule, prompts)]
    assert baselines.chance_rate(lang, rule, kept) == pytest.approx(rate, abs=6e-4)


@pytest.mark.parametrize(("name", "rate"), [("L3", 69 / 251), ("L1", 0.5)])
def test_eos_now_out_of_distribution(name: str, rate: float) -> None:
    lang = languages.make(name, 32)
    prompts = lang.prompts("ood").tokens
    done = complete(baselines.eos_now(lang), prompts)
    assert np.asarray(done.finished).all()
    assert np.asarray(lang.judge("R1", done.tokens, 8)).mean() == pytest.approx(rate)


def test_ngram_of_full_order_is_the_truth_and_of_order_one_the_mean() -> None:
    lang = languages.make("L1", 5)
    tokens, log_p = lang.support() or pytest.fail("a small support")
    full = baselines.ngram(lang, 7)
    np.testing.assert_allclose(log_prob_of(full.score(tokens), tokens), log_p, atol=1e-4)
    first = np.exp(np.asarray(baselines.ngram(lang, 1).score(tokens[:1, :1]))[0, 0])
    counts = [(np.exp(log_p)[:, None] * (tokens == s)).sum() for s in range(3)]
    np.testing.assert_allclose(first[:3], np.array(counts) / np.sum(counts), rtol=1e-5)


def test_ngram_counts_contexts_exactly() -> None:
    lang = languages.make("L3", 8)
    law = np.exp(np.asarray(baselines.ngram(lang, 2).score(np.array([[3, 0, 1]])))[0])
    # n is 1 to 4: after BOS always a; 10 of 10 a's are followed by 6 a's and 4 b's, and so on.
    np.testing.assert_allclose(law[:, :3], [[1, 0, 0], [0.6, 0.4, 0], [0, 0.6, 0.4]], atol=1e-6)


def test_baselines_answer_everywhere() -> None:
    lang = languages.make("L3", 8)
    tokens = lang.prompts("ood").tokens
    for order in (1, 2, 3):
        laws = np.asarray(baselines.ngram(lang, order).score(tokens))
        np.testing.assert_allclose(np.exp(laws).sum(-1), 1, atol=1e-5)


def test_restriction_conditions_on_the_rule() -> None:
    lang = languages.make("L1", 6)
    counts = [tuple((symbol, n + 1) for symbol in "ab") for n in range(4)]
    rule = rules.Finite((*counts, ()), (0, 1, 2, 3)) & ~rules.contains("a")
    tokens, log_p = lang.support() or pytest.fail("a small support")
    kept = np.array([set(row[1:-1]) <= {1, 2, 4} and (row < 2).sum() < 4 for row in tokens])
    found = probabilities(baselines.restricted(lang, rule), tokens)
    expected = np.where(kept, np.exp(log_p), 0)
    np.testing.assert_allclose(found, expected / expected.sum(), atol=1e-6)
    with pytest.raises(ConfigError, match="rule"):
        baselines.restricted(lang, rules.starts_with("a", "ab"))


def test_a_restriction_takes_a_rule_by_name_and_names_those_there_are() -> None:
    lang = languages.make("L3", 6)
    tokens, log_p = lang.support() or pytest.fail("a small support")
    found = probabilities(baselines.restricted(lang, "R1"), tokens)
    np.testing.assert_allclose(found, np.exp(log_p), atol=1e-6)
    with pytest.raises(ConfigError, match=r"rule='R9': .*R1, R2"):
        baselines.restricted(lang, "R9")
    with pytest.raises(ConfigError, match="none"):
        baselines.restricted(languages.make("hmm", 4), "R1")


def test_tempering_sharpens_and_flattens() -> None:
    lang = languages.make("L1", 6)
    tokens = lang.sample(jax.random.key(0), 16)
    same = baselines.tempered(lang, 1.0)
    np.testing.assert_allclose(same.score(tokens), lang.score(tokens), atol=1e-6)
    flat = baselines.tempered(lang, 2.0)
    np.testing.assert_allclose(flat.score(tokens), score_by_scan(flat, tokens), atol=1e-6)
    law, plain = (np.exp(np.asarray(p.score(tokens)))[:, 1] for p in (flat, lang))
    root = np.sqrt(plain)
    np.testing.assert_allclose(law, root / root.sum(-1, keepdims=True), atol=1e-6)
    with pytest.raises(ConfigError, match="temperature"):
        baselines.tempered(lang, 0.0)


def given_prompts(p_S: np.ndarray, strings: np.ndarray, prompts: np.ndarray) -> np.ndarray:
    """p(string | its prompt) for every prompt and string, 0 where it does not begin so, [N, S]."""
    begins = (strings[None, :, : prompts.shape[1]] == prompts[:, None]).all(-1)
    return begins * p_S[None]


@pytest.mark.parametrize(
    ("name", "rule"), [("L1", "R2c"), ("L2", "R2"), ("L3", "R1"), ("L3", None)]
)
def test_what_a_table_does_after_prompts_is_what_its_strings_do(name: str, rule: str) -> None:
    lang = languages.make(name, 6)
    prompts = lang.prompts("ood", 3).tokens
    strings, table = all_strings(lang, 6), baselines.ngram(lang, 3)
    # What follows a prompt, whatever the prompt itself is given: n-grams give some of them none.
    log_p = np.asarray(table.score(strings), np.float64)[:, 3:-1]
    read = np.take_along_axis(log_p, strings[:, 4:, None], -1)[..., 0].sum(1)
    kept = np.ones(len(strings), bool) if rule is None else np.asarray(lang.judge(rule, strings, 3))
    expected = given_prompts(np.exp(read) * kept, strings, prompts).sum(1)
    found = baselines.hold_rates(lang, table, prompts, rule)
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize(("name", "rule"), [("L1", "R1"), ("L2", "R1"), ("L3", "R2"), ("L3", None)])
def test_noise_is_uniform_by_length_over_the_strings_of_a_rule(name: str, rule: str) -> None:
    lang = languages.make(name, 6)
    strings, table = all_strings(lang, 6), baselines.noise(lang, rule)
    lengths = (strings < lang.vocabulary.eos).sum(1)
    kept = np.ones(len(strings), bool)
    if rule is not None:
        kept = np.asarray(lang.rules[rule].holds(strings))
    weights = kept * lang.length_probs[lengths] / 2.0**lengths
    np.testing.assert_allclose(probabilities(table, strings), weights / weights.sum(), atol=1e-6)


def test_noise_has_an_answer_wherever_the_rule_can_still_hold() -> None:
    lang = languages.make("L3", 8)
    prompts = lang.prompts("ood", 4).tokens
    laws = np.exp(np.asarray(baselines.noise(lang, "R1").score(prompts))[:, -1])
    np.testing.assert_allclose(laws.sum(-1), lang.satisfiable("R1", prompts), atol=1e-6)
    needed = dict(zip(map(lang.vocabulary.decode, prompts), laws, strict=True))
    # After bbbb four a's must come, and nothing else is short enough.
    np.testing.assert_allclose(needed["bbbb"][:3], [1, 0, 0], atol=1e-6)


def test_a_restriction_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baselines, "MOST_ENTRIES", 30)
    lang = languages.make("L3", 8)
    with pytest.raises(ConfigError, match="max_length=8"):
        baselines.noise(lang, "R1")
    with pytest.raises(ConfigError, match="table="):
        baselines.hold_rates(lang, baselines.uniform(lang), lang.prompts("ood").tokens, "R1")
