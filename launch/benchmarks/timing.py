"""Contests: cases that run in turn, A B C A B C …, and their ratios round by round.

Times of one machine drift together, so a ratio is taken within a round, never between the medians
of two series.
"""

import dataclasses
import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax

Clock = Callable[[], float]


@dataclasses.dataclass(frozen=True)
class Spread:
    """A figure in every round: median, least and most."""

    rounds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The median over rounds."""
        return statistics.median(self.rounds)

    def as_json(self) -> dict[str, Any]:
        """Give the three numbers, and the rounds that they come from."""
        ends = {"min": min(self.rounds), "max": max(self.rounds)}
        return {"median": self.median, **ends, "rounds": list(self.rounds)}


def ratio(above: Spread, below: Spread) -> Spread:
    """Divide round by round.

    >>> ratio(Spread((2.0, 8.0, 3.0)), Spread((1.0, 4.0, 1.0))).rounds
    (2.0, 2.0, 3.0)
    """
    pairs = zip(above.rounds, below.rounds, strict=True)
    return Spread(tuple(over / under for over, under in pairs))


@dataclasses.dataclass(frozen=True)
class Case:
    """Something to time: `call` does `units` of work, and gives arrays that may still be on the
    way. `facts` go to the results as they are.
    """

    name: str
    call: Callable[[], Any]
    units: float
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Claim:
    """A figure with what it is meant to reach."""

    what: str
    value: Spread
    aim: float
    at_most: bool = False

    @property
    def met(self) -> bool:
        """Tell whether the median reaches the aim."""
        median = self.value.median
        return median <= self.aim if self.at_most else median >= self.aim


@dataclasses.dataclass
class Contest:
    """Cases and their seconds per unit; ratios are to the reference, if there is one."""

    name: str
    unit: str
    seconds: dict[str, Spread]
    reference: str
    facts: dict[str, Any] = dataclasses.field(default_factory=dict)
    case_facts: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    left_out: dict[str, str] = dataclasses.field(default_factory=dict)
    claims: list[Claim] = dataclasses.field(default_factory=list)

    def ratio(self, name: str) -> Spread:
        """Say how many times as long as the reference a case takes, round by round."""
        return ratio(self.seconds[name], self.seconds[self.reference])

    def claim(self, what: str, value: Spread, aim: float, at_most: bool = False) -> None:
        """Set a figure beside its aim."""
        self.claims.append(Claim(what, value, aim, at_most))


@dataclasses.dataclass(frozen=True)
class Effort:
    """How much to do: rounds, the least seconds of one timing, and whether this is a mere trial."""

    rounds: int
    least_seconds: float
    smoke: bool

    def pick(self, full: Any, smoke: Any) -> Any:
        """Choose by scale."""
        return smoke if self.smoke else full


def compete(
    name: str,
    unit: str,
    cases: Sequence[Case],
    effort: Effort,
    reference: str | None = None,
    clock: Clock = time.perf_counter,
) -> Contest:
    """Warm every case up, then let them run in turn, round after round.

    The reference is the first case, unless another is named; with "" there are no ratios.
    """
    repeats = [_warm_up(case, effort, clock) for case in cases]
    found: dict[str, list[float]] = {case.name: [] for case in cases}
    for _ in range(effort.rounds):
        for case, count in zip(cases, repeats, strict=True):
            found[case.name].append(_time(case, count, clock) / (count * case.units))
    seconds = {key: Spread(tuple(values)) for key, values in found.items()}
    facts = {case.name: dict(case.facts) for case in cases if case.facts}
    reference = cases[0].name if reference is None else reference
    return Contest(name, unit, seconds, reference, case_facts=facts)


def _warm_up(case: Case, effort: Effort, clock: Clock) -> int:
    """Compile, and find how many calls make a timing long enough."""
    _time(case, 1, clock)
    once = _time(case, 1, clock)
    return max(1, min(1000, math.ceil(effort.least_seconds / max(once, 1e-9))))


def _time(case: Case, repeats: int, clock: Clock) -> float:
    begin = clock()
    for _ in range(repeats):
        jax.block_until_ready(case.call())
    return clock() - begin
