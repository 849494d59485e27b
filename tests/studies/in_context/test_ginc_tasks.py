"""GINC's in-context prompts and the observer that knows their format, by enumeration."""

import numpy as np

from identjax import languages
from identjax.languages.known import ginc
from identjax.studies.in_context.ginc_tasks import answer_law, draw_prompts
from identjax.studies.in_context.prompt_aware import make_prompt_aware
from tests.languages.test_hidden import forward


def test_most_prompts_of_many_examples_are_impossible_and_smoothing_mends_it() -> None:
    lang = languages.make("ginc", 80)
    smooth = languages.make("ginc", 80, smoothing=1e-3)
    shares = [lang.possible(lang.prompts(f"icl_k3_n{n}").tokens).mean() for n in (1, 4, 16)]
    assert shares[0] > shares[1] > shares[2]
    many = lang.prompts("icl_k3_n16").tokens
    assert smooth.possible(many).all()
    direct = [forward(lang.definition.parts, row[1:].tolist()) > -np.inf for row in many]
    np.testing.assert_array_equal(lang.possible(many), direct)


def test_the_prompt_aware_observer_agrees_with_enumeration_and_learns() -> None:
    lang = languages.make("ginc", 80)
    drawn = draw_prompts(lang.definition, k=3, n=4, count=24)
    observer = make_prompt_aware(lang.definition, k=3)
    law = np.exp(np.asarray(observer.score(drawn.tokens))[:, -1])
    np.testing.assert_allclose(law.sum(-1), 1, atol=1e-5)
    parts = lang.definition.parts
    for row, found in zip(drawn.tokens[:6], law, strict=False):
        words = row[1:].tolist()
        shown, test = [words[i : i + 3] for i in range(0, 16, 4)], words[16:]
        mixed = np.zeros(lang.definition.words)
        for concept in range(ginc.CONCEPTS):
            for slot in range(1, ginc.SLOTS):
                weight = np.prod([weigh(parts, concept, slot, e) for e in [*shown, test]])
                if weight:
                    mixed += weight * answer_law(parts, concept, slot, test, len(mixed))
        np.testing.assert_allclose(found[: len(mixed)], mixed / mixed.sum(), atol=1e-5)
    assert (law.argmax(-1) == drawn.laws.argmax(-1)).mean() > 0.9


def weigh(parts: ginc.Parts, concept: int, slot: int, words: list[int]) -> float:
    """p(words | concept, start slot, uniform entity)."""
    belief, p = np.zeros((10, 10)), 1.0
    belief[:, slot] = 0.1
    for word in words:
        belief = np.where(parts.memory == word, belief, 0)
        p *= belief.sum()
        if not p:
            return 0.0
        belief = parts.v.T @ (belief / belief.sum()) @ parts.s[concept]
    return float(p)


def test_named_sets_read_as_they_are_drawn_also_where_symbols_are_single_letters() -> None:
    for words in (6, 50):
        lang = languages.make("ginc", 20, words=words)
        drawn = draw_prompts(lang.definition, k=3, n=2, count=64)
        np.testing.assert_array_equal(lang.prompts("icl_k3_n2").tokens, drawn.tokens)
