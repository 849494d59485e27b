"""In-context tasks: what a language may be asked after some examples of a hidden concept.

Axes: N prompt, P position (BOS included), V vocabulary.
"""

import abc
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from identjax.languages.language import Language
from identjax.predictor import Predictor
from identjax.registry import Registry
from identjax.vocabulary import Tokens

# Learners are asked so many prompts of each form and number of examples, drawn with seed 0.
ASKED = 128
# A prompt with one example may show what is asked, or not; with so many it does.
SHOWN = 2


class Shots(NamedTuple):
    """Prompts [N, P] filled with PAD, how many tokens each has [N], and what is asked.

    `law` [N, V] is that of the next symbol given the hidden concept; an answer is the likeliest
    symbol among `answers` [V], and right where `right` [N, V] says so.
    """

    tokens: Tokens
    lengths: np.ndarray
    answers: np.ndarray
    right: np.ndarray
    law: np.ndarray

    @property
    def prompts(self) -> list[list[int]]:
        """The tokens of each prompt, BOS first and without PAD."""
        rows = zip(self.tokens.tolist(), self.lengths, strict=True)
        return [row[:length] for row, length in rows]

    @property
    def chance(self) -> float:
        """The accuracy of a uniform choice among the answers."""
        return float((self.right & self.answers).sum(1).mean() / self.answers.sum())


class Asked(NamedTuple):
    """The prompts of one form and number of examples that every learner is asked."""

    form: str
    examples: int
    shots: Shots


class Swap(NamedTuple):
    """The construction on all prompts of a form with so many examples, and what it costs.

    `truth` and `swapped` are the predictors before and after; `members` [N, P] are prompts of B,
    all of them or draws by the truth, and `shots` are in-context prompts, all in B. Then ln p(B),
    KL(truth‖swapped) in nats per sequence with its standard error, and the least p2 on B;
    `kl_forward` is the KL by the forward algorithm over all documents, NaN where they are too many.
    """

    truth: Predictor
    swapped: Predictor
    members: Tokens
    log_mass: float
    kl_nats: float
    kl_stderr: float
    floor: float
    kl_forward: float = float("nan")
    shots: Shots | None = None

    @property
    def bound(self) -> float:
        """p(B) ln(1/c)."""
        return float(np.exp(self.log_mass) * np.log(1 / self.floor))


class Task(abc.ABC):
    """One form of in-context prompts of a language."""

    @property
    @abc.abstractmethod
    def examples(self) -> tuple[int, ...]:
        """The numbers of examples that fit."""

    @abc.abstractmethod
    def draw(self, examples: int, n: int, seed: int = 0) -> Shots:
        """Draw n prompts."""

    @abc.abstractmethod
    def observers(self) -> Mapping[str, Predictor]:
        """Predictors to stand beside learners, by name."""

    def swaps(self) -> Mapping[int, Swap]:
        """The construction for some numbers of examples, where it has an exact mass."""
        return {}


# The tasks of a language by its name, each by the form of its prompts.
TASKS: Registry[Callable[[Language], Mapping[str, Task]]] = Registry("task")


def tasks_of(language: Language) -> Mapping[str, Task]:
    """Give what may be asked of a language, by the form of the prompt; nothing of most."""
    return TASKS[language.name](language) if language.name in TASKS else {}


@functools.lru_cache(maxsize=4)
def asked(language: Language, count: int = ASKED) -> tuple[Asked, ...]:
    """Give what every learner is asked: drawn once, for lessons, learners and observers read it."""
    return tuple(
        Asked(form, examples, task.draw(examples, count))
        for form, task in tasks_of(language).items()
        for examples in task.examples
    )


def pad_rows(rows: Sequence[Sequence[int]] | Tokens, pad: int) -> tuple[Tokens, np.ndarray]:
    """Put rows of several lengths under each other, and give their lengths."""
    lengths = np.array([len(row) for row in rows])
    found = np.full((len(rows), int(lengths.max())), pad, np.int32)
    for place, row in zip(found, rows, strict=True):
        place[: len(row)] = row
    return found, lengths
