"""What the engine reads of its slots at a check, and what it makes of that."""

import dataclasses
from typing import Any

from identjax.sweep.ledger import Outcome
from identjax.training.member import Member
from identjax.training.step import CAUSES


@dataclasses.dataclass
class Seat:
    """The occupant of a slot, and its steps at the last check."""

    member: Member
    step: int = 0


@dataclasses.dataclass(frozen=True, eq=False)
class Parked:
    """A member in training that has no slot: its state, and its steps since the last check."""

    seat: Seat
    phase: int
    state: Any


@dataclasses.dataclass(frozen=True)
class Reading:
    """What a check tells about one slot."""

    step: int
    fault: int
    loss: float
    kl: float
    stderr: float

    @property
    def values(self) -> dict[str, float]:
        """What curves keep of it."""
        return {"loss": self.loss, "kl_nats": self.kl, "kl_stderr": self.stderr}

    def is_below(self, epsilon: float) -> bool:
        """Tell whether KL is below ε beyond doubt: by two standard errors where it has any."""
        return self.kl + 2 * self.stderr < epsilon


@dataclasses.dataclass
class Tally:
    """Member-steps that were taken, and those that the slots had room for."""

    taken: int = 0
    offered: int = 0

    def add(self, taken: int, offered: int) -> None:
        """Count the steps up to a check."""
        self.taken, self.offered = self.taken + taken, self.offered + offered

    @property
    def share(self) -> float:
        """Slots in use over slots, step by step; 1 where there was no step."""
        return self.taken / self.offered if self.offered else 1.0


@dataclasses.dataclass(frozen=True)
class Notes:
    """What a check took down and is still to be written: rows with their slots, and curves."""

    chunk: int
    rows: list[tuple[dict[str, Any], int]]
    curves: list[dict[str, Any]]
    params: Any


def ending(member: Member, reading: Reading) -> Outcome | None:
    """Say how a member ends at a check, or None where it goes on."""
    if reading.fault:
        return Outcome("diverged", reading.step, CAUSES[reading.fault])
    if reading.is_below(member.stop_below):
        return Outcome("saturated", reading.step, "")
    return Outcome("done", reading.step, "") if reading.step >= member.steps else None


def curve_rows(member_id: str, step: int, values: dict[str, float]) -> list[dict[str, Any]]:
    """Give the rows of curves that a check makes."""
    return [
        {"member_id": member_id, "step": step, "metric": metric, "value": value}
        for metric, value in values.items()
    ]
