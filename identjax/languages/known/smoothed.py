"""A language with a little noise, so that no prompt is impossible."""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from identjax.errors import ConfigError
from identjax.languages.definition import LANGUAGES, register
from identjax.languages.law.automaton import AutomatonDefinition
from identjax.languages.law.graph import NONE
from identjax.languages.rules import Rule


@register("smoothed")
@dataclasses.dataclass(frozen=True)
class Smoothed(AutomatonDefinition):
    """A string of another language, or now and then one of pure noise; no string is impossible.

    p(x) = (1 − w) p_base(x) + w / ((L+1) A^|x|) with w = `weight`: noise has a length uniform on
    0..L, and each of its symbols is uniform on the A of the alphabet. What the base rules out has
    a known, small probability. State: that of the base (or none), the length.

    >>> Smoothed(10, base="L3", weight=0.01).count
    2047
    """

    base: str = "L3"
    weight: float = 1e-3
    chomsky: ClassVar[str] = "regular (weighted)"
    start: ClassVar[Any] = (0, 0)
    noisy: ClassVar[bool] = True

    def check(self) -> None:
        """Refuse a share that is none, and a base whose weights are not on its ends alone."""
        if not (isinstance(self.weight, float) and 0 < self.weight < 1):
            raise ConfigError("weight", self.weight, "a number above 0 and below 1")
        edges = getattr(getattr(self.inner, "graph", None), "log_edge", None)
        if edges is None or np.any(edges[edges > -np.inf]):
            allowed = "an automaton that weighs its strings at their ends, such as L1, L2, L3, L5"
            raise ConfigError("base", self.base, allowed)

    @functools.cached_property
    def inner(self) -> Any:
        """The language that noise is added to."""
        return LANGUAGES[self.base](self.max_length)

    @property
    def least(self) -> int:
        return int(self.inner.least)

    @property
    def symbols(self) -> tuple[str, ...]:
        return tuple(self.inner.symbols)

    @property
    def rules(self) -> Mapping[str, Rule]:
        """Those of the base; what is noise need not keep them."""
        rules: Mapping[str, Rule] = self.inner.rules
        return rules

    def step(self, states: np.ndarray, symbol: int) -> tuple[np.ndarray, np.ndarray]:
        """Follow the base as far as it goes; every symbol may follow."""
        q, length = states.T
        moved = np.where(q == NONE, NONE, self.inner.graph.next_state[q, symbol])
        return np.column_stack([moved, length + 1]), np.zeros(len(states))

    def weigh(self, states: np.ndarray) -> np.ndarray:
        """Add up what the base and the noise give to a string that ends here."""
        graph, (q, length) = self.inner.graph, states.T
        ends = np.where(q == NONE, -np.inf, graph.log_final[q]) - graph.log_backward[0]
        noise = -np.log(self.max_length + 1) - length * np.log(len(self.symbols))
        weights = np.log1p(-self.weight), np.log(self.weight)
        return np.asarray(np.logaddexp(weights[0] + ends, weights[1] + noise))
