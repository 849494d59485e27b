"""Members in slots, and members that wait for one, with what all of them still need."""

import contextlib
import dataclasses
import gc
from collections.abc import Iterator, Sequence
from typing import Any

from identjax.training.member import Member


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


@dataclasses.dataclass
class Tally:
    """Member-steps that were taken, and those that the slots had room for."""

    taken: int = 0
    offered: int = 0

    @property
    def share(self) -> float:
        """Slots in use over slots, step by step; 1 where there was no step."""
        return self.taken / self.offered if self.offered else 1.0


class Queue:
    """Members in the order in which they are to begin.

    What is asked at every check is kept up rather than counted anew: with a million members the
    counting would take longer than the training.
    """

    def __init__(self, members: Sequence[Member]) -> None:
        self._waiting = list(reversed(members))
        self.to_go = sum(member.steps for member in members)

    def __len__(self) -> int:
        return len(self._waiting)

    def __iter__(self) -> Iterator[Member]:
        return reversed(self._waiting)

    def take(self) -> Member:
        """Take the next one out."""
        member = self._waiting.pop()
        self.to_go -= member.steps
        return member


@contextlib.contextmanager
def left_to_wait() -> Iterator[None]:
    """Spare the garbage collector what there is already, such as members that wait.

    Every check makes some thousands of objects, and by their number the collector decides to go
    through all there are: of a million members, that takes longer than the checks.
    """
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
