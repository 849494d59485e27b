"""Designs: planted truths by name, what is found of them over many runs, and where it must lie."""

import math
import zlib
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from identjax.errors import unknown_name
from identjax.registry import Registry


class Finding(NamedTuple):
    """One quantity of a source over all runs, such as its mean share or the level of its test.

    It must lie from `low` to `high`; where both are infinite, nothing is asked of it.
    """

    source: str
    quantity: str
    value: float
    low: float = -math.inf
    high: float = math.inf

    @property
    def verdict(self) -> str:
        """Whether it lies where it must."""
        if math.isinf(self.low) and math.isinf(self.high):
            return ""
        return "met" if self.low <= self.value <= self.high else "missed"

    @property
    def aim(self) -> str:
        """Where it must lie, in words."""
        low, high = (f"{end:g}" for end in (self.low, self.high))
        if math.isinf(self.low):
            return "" if math.isinf(self.high) else f"at most {high}"
        return f"at least {low}" if math.isinf(self.high) else f"{low} to {high}"

    def as_json(self) -> dict[str, Any]:
        """Give it as it is written to a file."""
        value = self.value if math.isfinite(self.value) else None
        about = {"source": self.source, "quantity": self.quantity, "value": value}
        return about | {"aim": self.aim, "verdict": self.verdict}


Simulation = Callable[[int, np.random.Generator], list[Finding]]
DESIGNS: Registry[Simulation] = Registry("design")


def choose(asked: Iterable[str]) -> list[str]:
    """Give the designs that are named, or that begin with a name and a slash; all where none is."""
    asked, known = list(asked), list(DESIGNS)
    groups = sorted({name.partition("/")[0] for name in known})
    for name in asked:
        if name not in (*known, *groups):
            raise unknown_name("designs", name, [*groups, *known])
    return [one for one in known if not asked or {one, one.partition("/")[0]} & set(asked)]


def simulate(name: str, runs: int, seed: int) -> list[Finding]:
    """Run a design; its numbers depend on its name, the seed and the runs alone."""
    random = np.random.default_rng([seed, zlib.crc32(name.encode())])
    return DESIGNS[name](runs, random)
