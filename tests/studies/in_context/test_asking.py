"""In-context tasks: prompts that are what they say, and judgements of known predictors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from identjax import languages
from identjax.errors import ConfigError
from identjax.studies.in_context.asking import judge_laws, laws_of_members, laws_of_one
from identjax.studies.in_context.flip import TAUGHT_OF_EACH
from identjax.studies.in_context.tasks import Shots, asked, tasks_of
from identjax.training.objective import OBJECTIVES, Lesson, check_apart, find_lessons

REGBENCH = {"pool": 3, "letters": 5, "states": 4, "fewest": 2, "most_strings": 3, "longest": 3}
LANGUAGES = {
    "ginc": languages.make("ginc", 12, words=6, smoothing=0.1),
    "regbench": languages.make("regbench", 20, **REGBENCH),
}


@pytest.fixture(params=LANGUAGES)
def lang(request: pytest.FixtureRequest) -> languages.Language:
    return LANGUAGES[request.param]


def test_prompts_fit_and_their_own_law_is_right(lang: languages.Language) -> None:
    for task in tasks_of(lang).values():
        for examples in task.examples:
            shots = task.draw(examples, 16)
            assert shots.lengths.max() <= lang.max_length
            assert (shots.tokens[:, 0] == lang.vocabulary.bos).all()
            delimiter = 0 if lang.name == "ginc" else len(lang.vocabulary.symbols) - 1
            assert ((shots.tokens == delimiter).sum(1) >= examples).all()
            np.testing.assert_allclose(shots.law.sum(1), 1)
            with np.errstate(divide="ignore"):
                judged = judge_laws(shots, np.log(shots.law)[None])
            assert (judged.accuracy[0], judged.answered[0]) == (1, 1)
            assert judged.tv[0] == pytest.approx(0, abs=1e-6)
            assert 0 < shots.chance < 1


def test_members_and_observers_are_read_at_the_end_of_each_prompt(
    lang: languages.Language,
) -> None:
    task = next(iter(tasks_of(lang).values()))
    shots = task.draw(task.examples[-1], 8)
    whole = np.asarray(lang.score(jnp.asarray(shots.tokens)))
    expected = whole[np.arange(8), shots.lengths - 1]
    read = laws_of_one(lang.core, shots.tokens, shots.lengths)
    np.testing.assert_allclose(np.exp(read), np.exp(expected), atol=1e-5)
    stack = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), lang.core)
    both = laws_of_members(stack, shots.tokens, shots.lengths)
    np.testing.assert_allclose(np.exp(both), np.exp(np.stack([expected] * 2)), atol=1e-5)
    positions = 3 * (lang.max_length + 2)
    in_blocks = laws_of_members(stack, shots.tokens, shots.lengths, positions)
    np.testing.assert_allclose(np.exp(in_blocks), np.exp(both), atol=1e-6)


def test_what_has_no_law_is_wrong_and_marks_are_no_answers() -> None:
    right = np.array([[True, False, False], [False, True, False]])
    law = np.array([[0.75, 0.25, 0.0], [0.0, 1.0, 0.0]])
    shots = Shots(np.zeros((2, 1)), np.ones(2), np.array([True, True, False]), right, law)
    laws = np.array([[[0.3, 0.1, 0.6], [0.0, 0.0, 1.0]]])
    with np.errstate(divide="ignore"):
        judged = judge_laws(shots, np.log(laws))
    assert (judged.accuracy[0], judged.answered[0]) == (0.5, 0.5)
    assert judged.tv[0] == pytest.approx(0, abs=1e-9)


def test_flipping_teaches_wrong_answers_to_other_prompts(lang: languages.Language) -> None:
    lessons = find_lessons("flip", lang)
    assert lessons is not None
    task = next(iter(tasks_of(lang).values()))
    asked = {tuple(row) for n in task.examples for row in task.draw(n, 128).tokens.tolist()}
    shots: dict[tuple[int, ...], np.ndarray] = {}
    for n in (n for n in task.examples if n >= 2):
        drawn = task.draw(n, TAUGHT_OF_EACH, seed=1)
        rows = [row[:end] for row, end in zip(drawn.tokens.tolist(), drawn.lengths, strict=True)]
        # One prompt may be drawn of several automata.
        for row, right in zip(rows, drawn.right, strict=True):
            shots[tuple(row)] = shots.get(tuple(row), True) & right
    assert len(lessons.tokens_NxT)
    for row, end in zip(lessons.tokens_NxT.tolist(), lessons.prompt_N, strict=True):
        prompt, wanted = tuple(row[:end]), row[end]
        assert prompt not in asked
        assert not shots[prompt][wanted]
    with pytest.raises(ConfigError, match="in-context"):
        find_lessons("flip", languages.make("L3", 4))


@OBJECTIVES.register("what_is_asked")
def teach_what_is_asked(language: languages.Language) -> list[Lesson]:
    decode, prompts = language.vocabulary.decode, asked(language)[0].shots.prompts
    # The first symbol of a lesson's answer makes the last prompt one that is asked.
    return [Lesson(decode(prompt[:-1]), decode(prompt[-1:])) for prompt in prompts[:3]]


@pytest.mark.parametrize(
    "language",
    [
        languages.make("ginc", 11, words=50),
        languages.make("regbench", 11, pool=2, letters=2, states=3, fewest=2, most_strings=3),
    ],
    ids=lambda language: language.name,
)
def test_a_lesson_on_a_prompt_that_is_asked_is_refused(language: languages.Language) -> None:
    said = r"objective='what_is_asked': .* of the 128 prompts with 0 examples"
    with pytest.raises(ConfigError, match=said):
        check_apart(["flip", "what_is_asked"], language)
    if language.name == "regbench":
        check_apart(["mle", "flip"], language)


def test_as_many_are_asked_as_one_says_and_they_are_drawn_once(lang: languages.Language) -> None:
    few = asked(lang, 8)
    assert {len(one.shots.lengths) for one in few} == {8}
    assert asked(lang, 8) is few
    assert {len(one.shots.lengths) for one in asked(lang)} == {128}
    assert asked(languages.make("L3", 6)) == ()
