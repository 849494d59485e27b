"""Languages uniform by length over the strings of a rule."""

import abc
import dataclasses
import functools
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from identjax.errors import ConfigError
from identjax.languages.judge import Reach, bind
from identjax.languages.law.automaton import AutomatonDefinition
from identjax.languages.law.graph import Graph, even_out, explore
from identjax.languages.rules import Both, Rule
from identjax.vocabulary import Vocabulary


@dataclasses.dataclass(frozen=True)
class UniformByLength(AutomatonDefinition):
    """p = 1/#lengths · 1/#strings of the length, over the strings of a rule.

    Exact suffix counts make the conditionals. State: the length and the machine's.
    """

    start: ClassVar[Any] = (0, 0)

    @property
    @abc.abstractmethod
    def defining(self) -> Rule:
        """The rule whose strings these are."""

    @functools.cached_property
    def reach(self) -> Reach:
        """The rule's machine as a table."""
        return bind(self.defining, self.vocabulary, self.max_length).reach

    def step(self, states: np.ndarray, symbol: int) -> tuple[np.ndarray, np.ndarray]:
        """Count the symbol and move the machine, unless it then cannot accept in time."""
        length, q = states[:, 0] + 1, self.reach.next_state[states[:, 1], symbol]
        fits = self.reach.distance[q] <= self.max_length - length
        return np.column_stack([length, q]), np.where(fits, 0.0, -np.inf)

    def weigh(self, states: np.ndarray) -> np.ndarray:
        """Weigh all strings alike; lengths are evened out once they are counted."""
        return np.where(self.reach.accepts[states[:, 1]], 0.0, -np.inf)

    @functools.cached_property
    def graph(self) -> Graph:
        """The machine explored, with final weights that make lengths equally likely."""
        counts = explore(self.start, self.step, self.weigh, len(self.symbols), self.max_length)
        if counts.log_backward[0] == -np.inf:
            allowed = f"enough for a string: none so short keeps the rule of {self.name}"
            raise ConfigError("max_length", self.max_length, allowed)
        return even_out(counts)


@dataclasses.dataclass(frozen=True)
class RuleDefinition(UniformByLength):
    """A user's language: an alphabet and a rule."""

    alphabet: tuple[str, ...]
    rule: Rule
    name: ClassVar[str] = "from_rules"
    chomsky: ClassVar[str] = "that of its rule"

    def check(self) -> None:
        """Refuse what is not an alphabet or not a rule."""
        Vocabulary(self.alphabet)
        if not isinstance(self.rule, Rule):
            raise ConfigError("rule", self.rule, "one made in identjax.languages.rules")

    @property
    def symbols(self) -> tuple[str, ...]:
        return self.alphabet

    @property
    def defining(self) -> Rule:
        return self.rule

    @property
    def rules(self) -> Mapping[str, Rule]:
        """R1 and R2 are the two sides of a conjunction, or both the rule."""
        sides = (self.rule.left, self.rule.right) if isinstance(self.rule, Both) else None
        return dict(zip(("R1", "R2"), sides or (self.rule, self.rule), strict=True))
