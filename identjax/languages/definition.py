"""How a language is defined: one frozen class under a registered name."""

import abc
import dataclasses
import functools
from collections.abc import Callable, Iterable, Mapping
from typing import ClassVar, TypeVar

import jax
import numpy as np

from identjax.errors import ConfigError
from identjax.languages.law.draw import enumerate_law
from identjax.languages.law.graph import Support
from identjax.languages.rules import Rule
from identjax.predictor import Predictor
from identjax.registry import Registry
from identjax.vocabulary import Vocabulary


@dataclasses.dataclass(frozen=True)
class Definition(abc.ABC):
    """The definition of a language, on the host: frozen, hashable, exact numbers in float64.

    Fields after max_length are the language's options. A language is added by one file. Every
    string keeps the rules, unless the language is `noisy`.
    """

    max_length: int
    name: ClassVar[str] = "unnamed"
    chomsky: ClassVar[str]
    prompt_length: ClassVar[int] = 8
    completion_from: ClassVar[int | None] = None
    why_no_rules: ClassVar[str] = ""
    noisy: ClassVar[bool] = False

    def __post_init__(self) -> None:
        self.check()
        if type(self.max_length) is not int or self.max_length < self.least:
            allowed = f"a whole number, at least {self.least} for {self.name}"
            raise ConfigError("max_length", self.max_length, allowed)

    def check(self) -> None:  # noqa: B027
        """Raise ConfigError where options cannot be used."""

    def check_whole(self, **limits: tuple[int, int]) -> None:
        """Refuse options that are not whole numbers within their limits."""
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            if type(value) is not int or not low <= value <= high:
                raise ConfigError(name, value, f"{low} to {high}")

    @functools.cached_property
    def vocabulary(self) -> Vocabulary:
        """The alphabet with its marks."""
        return Vocabulary(self.symbols)

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
    def rules(self) -> Mapping[str, Rule]:
        """R1 and R2, and more; none where no rule makes sense."""
        return {}

    @abc.abstractmethod
    def build(self) -> Predictor:
        """Make the Predictor of the exact law."""

    def enumerate(self) -> Support:
        """List all strings with log probabilities; called where `count` is small only."""
        # Each prefix begins a string, or one that is a bracket longer.
        found = enumerate_law(self.build(), 2 * (self.count or 0) + 2)
        assert found is not None, f"every prefix of {self.name} begins a string"
        return found

    def build_by_length(self) -> "LengthSampler":
        """Make the sampler of strings of given lengths."""
        raise ConfigError("language", self.name, "one with an exact law given the length")

    @property
    def published(self) -> Mapping[str, Iterable[str]]:
        """The papers' prompts as text, by the name of the set."""
        return {}


class LengthSampler(abc.ABC):
    """Draws strings of given lengths; a frozen pytree."""

    @abc.abstractmethod
    def sample(self, key: jax.Array, lengths_N: jax.Array) -> jax.Array:
        """Draw one string of each length from p(· | length), [N, max_length+2]."""


@dataclasses.dataclass(frozen=True)
class ListedDefinition(Definition):
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
        assert self.listed is not None, "called where the strings were counted"
        return self.listed


LANGUAGES: Registry[type[Definition]] = Registry("language")
D = TypeVar("D", bound=type[Definition])


def register(name: str, *aliases: str) -> Callable[[D], D]:
    """Decorate a definition to be found under a name and its aliases."""

    def add(definition: D) -> D:
        LANGUAGES.register(name, *aliases)(definition)
        definition.name = name
        return definition

    return add
