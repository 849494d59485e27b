"""Two regular languages with an even number of a's: b then any mix (L1), b's then a's (L2)."""

import abc
import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import numpy as np
from scipy.special import gammaln

from identjax.languages.definition import register
from identjax.languages.law.automaton import AutomatonDefinition
from identjax.languages.rules import Rule, contains, even, ordered, starts_with


@dataclasses.dataclass(frozen=True)
class EvenCount(AutomatonDefinition):
    """An even number of a's, uniform over what is possible. State: the numbers of a's and b's."""

    chomsky: ClassVar[str] = "regular"
    symbols: ClassVar[tuple[str, ...]] = ("a", "b")
    start: ClassVar[Any] = (0, 0)

    def step(self, states: np.ndarray, symbol: int) -> tuple[np.ndarray, np.ndarray]:
        """Count, where the symbol may follow."""
        moved = states.copy()
        moved[:, symbol] += 1
        return moved, np.where(self.fits(states, symbol), 0.0, -np.inf)

    @abc.abstractmethod
    def fits(self, states: np.ndarray, symbol: int) -> np.ndarray:
        """Tell where a symbol may follow."""

    def weigh(self, states: np.ndarray) -> np.ndarray:
        """Weigh an even number of a's by its share of the length."""
        a, length = states[:, 0], states.sum(1)
        log_w = -np.log(np.maximum(length - 1, 0) // 2 + 1)
        return np.where((a % 2 == 0) & (length > 0), log_w, -np.inf)


@register("L1", "even_a")
@dataclasses.dataclass(frozen=True)
class EvenAfterB(EvenCount):
    """b, then any mix with an even number of a's.

    p = 1/L · 1/(⌊(l−1)/2⌋+1) · 1/C(l−1, 2k) for l symbols of which 2k are a: the length is
    uniform on 1..L, k is uniform on 0..⌊(l−1)/2⌋, and the symbols after b are shuffled
    (Mészáros et al. 2024, L1).

    >>> EvenAfterB(3).count, EvenAfterB(3).rules["R1"] == even("a")
    (4, True)
    """

    def fits(self, states: np.ndarray, symbol: int) -> np.ndarray:
        """Tell that an a is not the first symbol."""
        return (symbol == 1) | (states.sum(1) > 0)

    def weigh(self, states: np.ndarray) -> np.ndarray:
        """Weigh all shuffles of what follows the b alike."""
        a, n = states[:, 0], np.maximum(states.sum(1) - 1, 0)
        ways = gammaln(n + 1) - gammaln(np.minimum(a, n) + 1) - gammaln(np.maximum(n - a, 0) + 1)
        return super().weigh(states) - ways

    @property
    def rules(self) -> Mapping[str, Rule]:
        """R1: an even number of a's. R2: starts with b."""
        return {"R1": even("a"), "R2": starts_with("b", self.symbols)}

    @property
    def published(self) -> Mapping[str, Iterable[str]]:
        """All strings of 8 symbols, by their first."""
        tails = [f"{i:07b}".replace("0", "a").replace("1", "b") for i in range(2**7)]
        return {
            "published_id": ["b" + tail for tail in tails],
            "published_ood": ["a" + tail for tail in tails],
        }


@register("L2", "bnam")
@dataclasses.dataclass(frozen=True)
class EvenRun(EvenCount):
    """b^(l−2k) a^(2k), at least one b.

    p = 1/L · 1/(⌊(l−1)/2⌋+1): the length l is uniform on 1..L, k is uniform on 0..⌊(l−1)/2⌋
    (Mészáros et al. 2024, L2).

    >>> round(EvenRun(256).entropy / 257, 5)
    0.03667
    """

    def fits(self, states: np.ndarray, symbol: int) -> np.ndarray:
        """Tell that an a has a b before it, and a b no a."""
        return states[:, 1] > 0 if symbol == 0 else states[:, 0] == 0

    @property
    def rules(self) -> Mapping[str, Rule]:
        """R1: an even number of a's. R2: b's before a's, at least one b."""
        return {"R1": even("a"), "R2": ordered("ba") & contains("b")}

    @property
    def published(self) -> Mapping[str, Iterable[str]]:
        """b^i a^j of 8 symbols, and the same of 7 after an a; i, j ≥ 1."""
        return {
            "published_id": ["b" * i + "a" * (8 - i) for i in range(1, 8)],
            "published_ood": ["a" + "b" * i + "a" * (7 - i) for i in range(1, 7)],
        }
