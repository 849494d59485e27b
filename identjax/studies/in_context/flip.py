"""What flips answers: lessons that teach wrong ones, kept apart from what learners are asked."""

from collections.abc import Iterable

import numpy as np

from identjax.errors import ConfigError
from identjax.languages.language import Language
from identjax.studies.in_context.tasks import SHOWN, asked, tasks_of
from identjax.training.objective import OBJECTIVES, RESERVED, Lesson, Reserved

# Prompts that are taught of each number of examples.
TAUGHT_OF_EACH = 256


@OBJECTIVES.register("flip")
def flip_answers(language: Language) -> Iterable[Lesson]:
    """Answer the first form of in-context prompts, from two examples on, as is likeliest but wrong.

    The prompts differ from those that members are asked.
    """
    tasks = tasks_of(language)
    if not tasks:
        allowed = f"for a language with in-context prompts, which {language.name} has not"
        raise ConfigError("objective", "flip", allowed)
    task, decode = next(iter(tasks.values())), language.vocabulary.decode
    kept = {tuple(row) for one in asked(language) for row in one.shots.prompts}
    lessons = []
    for examples in (n for n in task.examples if n >= SHOWN):
        shots = task.draw(examples, TAUGHT_OF_EACH, seed=1)
        wrong_NxV = shots.answers & ~shots.right
        second_N = np.where(wrong_NxV, shots.law, -1).argmax(-1)
        for prompt, wanted in zip(shots.prompts, second_N, strict=True):
            if tuple(prompt) not in kept:
                lessons.append(Lesson(decode(prompt), decode([wanted]), ends=False))
    return lessons


@RESERVED.register("in_context")
def reserve_asked(language: Language) -> Iterable[Reserved]:
    """Keep what learners are asked from being taught: it is the same for all runs."""
    for one in asked(language):
        what = f"prompts with {one.examples} examples of form {one.form!r}, asked in context"
        yield Reserved(what, one.shots.prompts)
