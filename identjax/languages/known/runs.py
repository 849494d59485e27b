"""Languages of runs of equal length: a^n b^n (L3), a^n b^n c^n (L5) and a^n b^n a^n."""

import dataclasses
import itertools
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import numpy as np

from identjax.languages.definition import register
from identjax.languages.law.automaton import AutomatonDefinition
from identjax.languages.rules import Balance, Rule, equal_counts, ordered


@dataclasses.dataclass(frozen=True)
class EqualRuns(AutomatonDefinition):
    """k runs of n symbols each, n uniform on 1..⌊L/k⌋. State: run, symbols in it, n (or 0).

    `runs` has the symbol of each run; two runs may have the same one.
    """

    runs: ClassVar[tuple[int, ...]]
    start: ClassVar[Any] = (0, 0, 0)

    @property
    def least(self) -> int:
        """One symbol a run."""
        return len(self.runs)

    def step(self, states: np.ndarray, symbol: int) -> tuple[np.ndarray, np.ndarray]:
        """Go on in the run, or begin the next where the run is complete."""
        run, seen, n = states.T
        expected = np.array(self.runs)[run]
        following = np.array([*self.runs[1:], -1])[run]
        goes_on = (symbol == expected) & ((run == 0) | (seen < n))
        begins = ~goes_on & (symbol == following) & (seen > 0) & ((run == 0) | (seen == n))
        moved = np.column_stack(
            [
                np.where(begins, run + 1, run),
                np.where(begins, 1, seen + 1),
                np.where(begins & (run == 0), seen, n),
            ]
        )
        fits = moved[:, 2] * len(self.runs) <= self.max_length
        fits &= (moved[:, 0] > 0) | (moved[:, 1] * len(self.runs) <= self.max_length)
        return moved, np.where((goes_on | begins) & fits, 0.0, -np.inf)

    def weigh(self, states: np.ndarray) -> np.ndarray:
        """End where the last run is complete."""
        run, seen, n = states.T
        last = len(self.runs) - 1
        complete = (run == last) & (seen == n) & (seen > 0)
        return np.where(complete if last else seen > 0, 0.0, -np.inf)


@register("L3", "anbn")
@dataclasses.dataclass(frozen=True)
class AnBn(EqualRuns):
    """a^n b^n, n uniform on 1..⌊L/2⌋ (Mészáros et al. 2024, L3).

    >>> round(AnBn(256).entropy / 257, 6)
    0.018879
    """

    chomsky: ClassVar[str] = "context-free"
    symbols: ClassVar[tuple[str, ...]] = ("a", "b")
    runs: ClassVar[tuple[int, ...]] = (0, 1)

    @property
    def rules(self) -> Mapping[str, Rule]:
        """R1: as many a's as b's. R2: a's before b's."""
        return {"R1": equal_counts("ab"), "R2": ordered("ab")}

    @property
    def published(self) -> Mapping[str, Iterable[str]]:
        """All strings of 8 symbols; in distribution are a^k b^(8−k) with k ≥ 4."""
        inside = ["a" * k + "b" * (8 - k) for k in range(4, 9)]
        return _split_all("ab", 8, inside)


@register("L5", "anbncn")
@dataclasses.dataclass(frozen=True)
class AnBnCn(EqualRuns):
    """a^n b^n c^n, n uniform on 1..⌊L/3⌋ (Mészáros et al. 2024, L5).

    >>> round(AnBnCn(256).entropy / 257, 6)
    0.017287
    """

    chomsky: ClassVar[str] = "context-sensitive"
    prompt_length: ClassVar[int] = 5
    symbols: ClassVar[tuple[str, ...]] = ("a", "b", "c")
    runs: ClassVar[tuple[int, ...]] = (0, 1, 2)

    @property
    def rules(self) -> Mapping[str, Rule]:
        """R1: as many a's as b's as c's. R2: a's before b's before c's."""
        return {"R1": equal_counts("abc"), "R2": ordered("abc")}

    @property
    def published(self) -> Mapping[str, Iterable[str]]:
        """All strings of 5 symbols, by whether they begin one of the language."""
        return _split_all("abc", 5, ["aaaaa", "aaaab", "aaabb", "aabbc"])


@register("anbnan")
@dataclasses.dataclass(frozen=True)
class AnBnAn(EqualRuns):
    """a^n b^n a^n, n uniform on 1..⌊L/3⌋: what Reizinger et al. 2024 fine-tune on.

    >>> AnBnAn(256).count
    85
    """

    chomsky: ClassVar[str] = "context-sensitive"
    symbols: ClassVar[tuple[str, ...]] = ("a", "b")
    runs: ClassVar[tuple[int, ...]] = (0, 1, 0)

    @property
    def rules(self) -> Mapping[str, Rule]:
        """R1: twice as many a's as b's. R2: a's, then b's, then a's."""
        return {"R1": Balance(("b", "b"), ("a",)), "R2": ordered("aba")}


def _split_all(alphabet: str, length: int, inside: list[str]) -> Mapping[str, Iterable[str]]:
    every = ("".join(parts) for parts in itertools.product(alphabet, repeat=length))
    return {"published_id": inside, "published_ood": [s for s in every if s not in inside]}
