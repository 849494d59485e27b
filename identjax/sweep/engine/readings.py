"""What the engine reads of its slots at a check, and what it makes of that."""

import dataclasses
from typing import Any, NamedTuple

import numpy as np

from identjax.sweep.folder.ledger import Standing
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


class Reading(NamedTuple):
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

    @property
    def upper(self) -> float:
        """What KL is below beyond doubt: two standard errors above it, where it has any."""
        return self.kl + 2 * self.stderr


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


def make_readings(
    check_every: int, step_M: Any, fault_M: Any, window_M: Any, kl_M: Any, stderr_M: Any
) -> list[Reading]:
    """Read what a check gives of all slots; `window_M` sums the losses since the last one."""
    # A check that is not a number is a member infinitely far from the truth.
    kl_M, stderr_M = np.nan_to_num(kl_M, nan=np.inf), np.nan_to_num(stderr_M, nan=np.inf)
    since_M = (step_M - 1) % check_every + 1
    columns = (step_M, fault_M, window_M / np.maximum(since_M, 1), kl_M, stderr_M)
    return [Reading(*row) for row in zip(*(one.tolist() for one in columns), strict=True)]


def ending(member: Member, reading: Reading) -> Standing | None:
    """Say how a member ends at a check, or None where it goes on."""
    if reading.fault:
        return Standing("diverged", reading.step, CAUSES[reading.fault])
    if reading.upper < member.stop_below:
        return Standing("saturated", reading.step)
    return Standing("done", reading.step) if reading.step >= member.steps else None
