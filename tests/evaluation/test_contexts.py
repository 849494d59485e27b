"""What members do after every prefix of the truth, against writing it out and generating it."""

from typing import Any

import jax
import numpy as np
import pytest

from identjax import languages, models
from identjax.evaluation.completions import complete_members
from identjax.evaluation.laws_at import laws_at
from identjax.evaluation.likelihood import measure_kl
from identjax.evaluation.measure import AtRung
from identjax.evaluation.measures.contexts import (
    choose,
    follow,
    measure_contexts,
    measure_followed,
)
from identjax.evaluation.prompting import Decoding
from identjax.evaluation.results import Truth
from identjax.languages import Language
from identjax.languages.contexts import Contexts
from identjax.predictor import Predictor
from tests.planted import LANG, off_law, plant

EOS, SAY_A = off_law(LANG, eos=1.0), off_law(LANG, a=1.0)
MIXED = off_law(LANG, a=0.5, b=0.3, eos=0.2)


def measure(stack: Predictor, language: Language = LANG) -> dict[str, Any]:
    ids = [f"m{k}" for k in range(jax.tree.leaves(stack)[0].shape[0])]
    truth = Truth(language.name, language.max_length, "{}", (), ())
    vars(truth)["language"] = language
    at = AtRung(truth, {}, "final", ids, stack, [0] * len(ids), len(ids), Decoding())
    return dict(measure_contexts(at)["contexts"])


@pytest.fixture(scope="module")
def learners() -> Predictor:
    """Five untrained members, which differ in how sure they are."""
    model = models.make("lstm", vocabulary=LANG.vocabulary, max_length=LANG.max_length, hidden=8)
    drawn = jax.vmap(model.init)(jax.random.split(jax.random.key(0), 5))
    scales = np.array([1, 2, 4, 8, 16], np.float32)
    return model.bind(
        jax.tree.map(lambda x: np.asarray(x) * scales.reshape(-1, *[1] * (x.ndim - 1)), drawn)
    )


def test_the_truth_is_perfect_whatever_it_would_do_elsewhere() -> None:
    found = measure(plant([EOS, SAY_A]))
    assert (found["contexts"], found["completed"], found["exact"]) == (28, 28, True)
    for name, value in {"kept": 1, "possible": 1, "followed": 1, "leak": 0}.items():
        np.testing.assert_array_equal(found[name], value)
    np.testing.assert_allclose([found["kl"], found["js"]], 0, atol=1e-6)


def test_a_member_that_errs_everywhere_a_little_is_measured_by_hand() -> None:
    found = measure(plant([SAY_A], [0.1]))
    contexts = Contexts.of(LANG)
    can_a = contexts.log_law[:, 0] > -np.inf
    # Where an a is impossible it gets a tenth; where it is not, an a is what is said.
    assert found["leak"][0] == pytest.approx(0.1 * contexts.p[~can_a].sum(), rel=1e-5)
    lost = -np.log(0.9) * contexts.p[~can_a].sum()
    law = np.exp(contexts.log_law)[can_a]
    mixed = 0.9 * law + 0.1 * (np.arange(law.shape[1]) == 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        gains = np.where(law > 0, law * np.log(law / mixed), 0).sum(1)
    assert found["kl"][0] == pytest.approx(lost + contexts.p[can_a] @ gains, rel=1e-4)
    assert found["kept"][0] == 1


def test_the_chain_rule_adds_up_to_the_kl_of_strings(learners: Predictor) -> None:
    found = measure(learners)
    np.testing.assert_allclose(found["kl"], measure_kl(LANG, learners).kl_nats, rtol=1e-5)
    assert (found["js"] <= found["kl"]).all()


def test_following_the_table_is_generating(learners: Predictor) -> None:
    contexts = Contexts.of(LANG)
    tilted = plant([SAY_A, MIXED, EOS], [0.6, 0.7, 0.8])
    for stack in (learners, tilted):
        followed = follow(contexts, choose(contexts, laws_at(stack, contexts)))
        tokens, lengths = contexts.prompts(np.arange(len(contexts)))
        done = complete_members(stack, tokens, lengths_N=lengths)
        for row, (written, finished) in enumerate(zip(*done, strict=True)):
            right = finished & LANG.possible(written)
            np.testing.assert_array_equal(followed[row], right)
    assert 0 < followed.sum() < followed.size


def test_a_string_is_followed_where_no_choice_along_it_is_impossible(learners: Predictor) -> None:
    contexts = Contexts.of(LANG)
    choices = choose(contexts, laws_at(learners, contexts))
    found = measure_followed(contexts, choices)
    place = {text: s for s, text in enumerate(contexts.texts(range(len(contexts))))}
    expected = np.zeros(5)
    support = LANG.support()
    assert support is not None
    for row, log_p in zip(*support, strict=True):
        text = LANG.vocabulary.decode(row)
        along = [place[text[:k]] for k in range(len(text) + 1)]
        expected += np.exp(log_p) * choices.possible[:, along].all(1)
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_where_strings_are_drawn_contexts_are_completed() -> None:
    language = languages.make("L1", 16)
    say_a = off_law(language, a=1.0)
    found = measure(plant([say_a, say_a], [0.0, 0.9], language), language)
    assert (found["exact"], found["completed"]) == (False, 256)
    assert (found["kept"][0], found["possible"][0], found["followed"][0]) == (1, 1, 1)
    # The other says "a" for ever, which is no string; at the start it is impossible at once.
    assert found["kept"][1] < 0.3
    assert found["followed"][1] == 0
    assert found["kl"][1] > found["kl"][0] == pytest.approx(0, abs=1e-5)


def test_where_strings_need_not_keep_the_rules_nothing_is_kept() -> None:
    language = languages.make("smoothed", 4)
    uniform = off_law(language, **dict.fromkeys((*language.vocabulary.symbols, "eos"), 0.2))
    found = measure(plant([uniform], [0.5], language), language)
    assert found["completed"] == 0
    assert np.isnan(found["kept"]).all()
    assert (found["possible"] > 0).all()


def test_a_member_without_laws_is_never_right(learners: Predictor) -> None:
    broken = jax.tree.map(lambda x: np.full_like(x, np.nan), learners)
    found = measure(broken)
    for name in ("kept", "possible", "followed"):
        np.testing.assert_array_equal(found[name], 0)
    assert np.isinf(found["kl"]).all()
