"""The table of contexts against counting, the law itself, and drawing."""

import jax.numpy as jnp
import numpy as np
import pytest

from identjax import languages
from identjax.languages import contexts as room
from identjax.languages.contexts import Contexts


@pytest.mark.parametrize(("max_length", "count"), [(12, 28), (32, 153), (256, 8385)])
def test_l3_has_as_many_contexts_as_can_be_counted(max_length: int, count: int) -> None:
    found = Contexts.of(languages.make("L3", max_length))
    assert (len(found), found.exact) == (count, True)


@pytest.mark.parametrize("name", ["L1", "L2", "L3", "L4", "L5", "dyck", "smoothed"])
def test_contexts_are_met_once_per_token_that_is_written(name: str) -> None:
    lang = languages.make(name, 8)
    found = Contexts.of(lang)
    assert found.exact
    np.testing.assert_allclose(found.weight, found.p, rtol=1e-9)
    assert found.p.sum() == pytest.approx(lang.mean_targets, abs=1e-6)
    assert len(set(found.texts(range(len(found))))) == len(found)


@pytest.mark.parametrize("name", ["L1", "L4", "smoothed"])
def test_the_law_after_a_context_is_the_truths(name: str) -> None:
    lang = languages.make(name, 8)
    for found in (Contexts.of(lang), room._draw(lang)):
        tokens, lengths = found.prompts(range(len(found)))
        scored = np.asarray(lang.score(jnp.asarray(tokens)))
        at_end = scored[np.arange(len(tokens)), lengths - 1]
        np.testing.assert_allclose(np.exp(found.log_law), np.exp(at_end), atol=1e-6)
        np.testing.assert_allclose(np.exp(found.log_law).sum(1), 1, atol=1e-6)
        steps = found.log_law[found.parent[1:], found.token[1:]]
        np.testing.assert_allclose(
            found.log_p[1:], found.log_p[found.parent[1:]] + steps, atol=1e-9
        )


def test_a_context_leads_to_those_that_are_a_token_longer() -> None:
    found = Contexts.of(languages.make("L1", 6))
    texts = found.texts(range(len(found)))
    for s, row in enumerate(found.following):
        for token, onward in enumerate(row):
            if onward >= 0:
                assert texts[onward] == texts[s] + found.vocabulary.symbols[token]
                assert found.parent[onward] == s
    assert (found.following >= 0).sum() == len(found) - 1
    assert [found.position[level].tolist() for level in found.levels] == [
        [t] * len(level) for t, level in enumerate(found.levels)
    ]


def test_few_rows_hold_all_contexts() -> None:
    found = Contexts.of(languages.make("smoothed", 6))
    assert found.tokens.shape == (2**6, 8)


def test_drawn_contexts_estimate_sums_over_all() -> None:
    lang = languages.make("L1", 8)
    whole, drawn = Contexts.of(lang), room._draw(lang)
    assert not drawn.exact
    place = {text: s for s, text in enumerate(whole.texts(range(len(whole))))}
    same = [place[text] for text in drawn.texts(range(len(drawn)))]
    np.testing.assert_allclose(drawn.p, whole.p[same], rtol=1e-5)
    n = len(drawn.tokens)
    rng = np.random.default_rng(0)
    for values in rng.random((20, len(whole))):
        # A string adds at most its number of contexts, so the mean over n has at most this spread.
        spread = (lang.max_length + 1) / 2 / np.sqrt(n)
        assert abs(drawn.weight @ values[same] - whole.p @ values) < 4 * spread
    assert np.abs(drawn.weight - drawn.p).max() < 4.5 * 0.5 / np.sqrt(n)


def test_a_language_of_many_strings_is_drawn_from() -> None:
    lang = languages.make("L1", 20)
    found = Contexts.of(lang)
    assert not found.exact
    assert found.weight.sum() == pytest.approx(lang.mean_targets, rel=0.1)
    assert lang.possible(found.prompts([5])[0][:, : found.position[5] + 1]).all()
    assert Contexts.of(lang) is found
