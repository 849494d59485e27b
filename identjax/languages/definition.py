"""How a language is defined: one frozen family per file, under a registered name."""

import abc
import dataclasses
import functools
from collections.abc import Callable, Iterable, Mapping
from typing import ClassVar, TypeVar

import jax
import numpy as np

from identjax.errors import ConfigError
from identjax.languages.law.draw import enumerate_law
from identjax.languages.rules import Rule
from identjax.predictor import Predictor
from identjax.registry import Registry
from identjax.studies.in_context.tasks import ASKED, Asked, Task
from identjax.vocabulary import Tokens

Support = tuple[Tokens, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Family(abc.ABC):
    """The definition of a language, on the host: frozen, hashable, exact numbers in float64.

    Fields after max_length are the language's options. A family adds a language with one file.
    """

    max_length: int
    name: ClassVar[str] = "unnamed"
    chomsky: ClassVar[str]
    prompt_length: ClassVar[int] = 8
    completion_from: ClassVar[int | None] = None

    def __post_init__(self) -> None:
        self.check()
        if type(self.max_length) is not int or self.max_length < self.least:
            allowed = f"a whole number, at least {self.least} for {self.name}"
            raise ConfigError("max_length", self.max_length, allowed)

    def check(self) -> None:  # noqa: B027
        """Raise ConfigError where options cannot be used."""

    @property
    def least(self) -> int:
        """The smallest maximum length that leaves a string."""
        return 1

    @property
    @abc.abstractmethod
    def symbols(self) -> tuple[str, ...]:
        """The alphabet."""

    @property
    @abc.abstractmethod
    def entropy(self) -> float:
        """Nats per string."""

    @property
    @abc.abstractmethod
    def length_probs(self) -> np.ndarray:
        """The law of the number of symbols, [max_length+1]."""

    @property
    @abc.abstractmethod
    def count(self) -> int | None:
        """The number of strings, None where it cannot be computed."""

    @property
    @abc.abstractmethod
    def rules(self) -> Mapping[str, Rule]:
        """R1 and R2, and more; none where no rule makes sense."""

    @abc.abstractmethod
    def build(self) -> Predictor:
        """Make the Predictor of the exact law."""

    @abc.abstractmethod
    def enumerate(self) -> Support:
        """List all strings with log probabilities; called where `count` is small only."""

    def build_by_length(self) -> "LengthSampler":
        """Make the sampler of strings of given lengths."""
        raise ConfigError("language", self.name, "one with an exact law given the length")

    @property
    def completion_rule(self) -> Rule:
        """What R2c asks of the generated part: R2, unless a family says otherwise."""
        return self.rules["R2"]

    @property
    def published(self) -> Mapping[str, Iterable[str]]:
        """The papers' prompts as text, by the name of the set."""
        return {}

    @property
    def in_context(self) -> Mapping[str, Task]:
        """What may be asked after some examples of a hidden concept, by the form of the prompt."""
        return {}

    @property
    def asked(self) -> tuple[Asked, ...]:
        """What every learner is asked, of every form and number of examples."""
        return _draw_asked(self)


@functools.lru_cache(maxsize=4)
def _draw_asked(family: Family) -> tuple[Asked, ...]:
    """Draw once for equal families: lessons are held against it, learners and observers read it."""
    return tuple(
        Asked(form, examples, task.draw(examples, ASKED))
        for form, task in family.in_context.items()
        for examples in task.examples
    )


class LengthSampler(abc.ABC):
    """Draws strings of given lengths; a frozen pytree."""

    @abc.abstractmethod
    def sample(self, key: jax.Array, lengths_N: jax.Array) -> jax.Array:
        """Draw one string of each length from p(· | length), [N, max_length+2]."""


@dataclasses.dataclass(frozen=True)
class ListedFamily(Family):
    """A language whose numbers are known where its strings are few enough to be listed.

    Its entropy is never estimated: where the strings are too many, asking for it raises.
    """

    most: ClassVar[int] = 8192

    @functools.cached_property
    def listed(self) -> Support | None:
        """All strings with log probabilities, or None where there are too many."""
        return enumerate_law(self.build(), self.most)

    @property
    def entropy(self) -> float:
        """−Σ p log p over the listed strings."""
        if self.listed is None:
            allowed = (
                f"few enough to list all strings: else the entropy of {self.name} is not exact"
            )
            raise ConfigError("max_length", self.max_length, allowed)
        log_p = self.listed[1]
        return float(-(np.exp(log_p) * log_p).sum())

    @property
    def count(self) -> int | None:
        """The number of strings, where they are few."""
        return None if self.listed is None else len(self.listed[1])

    def enumerate(self) -> Support:
        """List all strings."""
        assert self.listed is not None, "called where the strings were counted"
        return self.listed


LANGUAGES: Registry[type[Family]] = Registry("language")
F = TypeVar("F", bound=type[Family])


def register(name: str, *aliases: str) -> Callable[[F], F]:
    """Decorate a family to be found under a name and its aliases."""

    def add(family: F) -> F:
        family.name = name
        LANGUAGES.register(name, *aliases)(family)
        return family

    return add
