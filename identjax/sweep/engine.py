"""The host half of the engine: slots are filled, stepped, checked, emptied and filled again."""

import dataclasses
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pyarrow as pa

from identjax.checkpoint import Checkpoints
from identjax.errors import ConfigError
from identjax.store import Store
from identjax.sweep.ledger import (
    CURVES,
    FINAL,
    SCHEMA,
    Ledger,
    Outcome,
    pack_params,
    rung_name,
    snapshot_row,
)
from identjax.sweep.plan import Group, RunSettings
from identjax.sweep.progress import Progress, Status
from identjax.sweep.slots import Slots
from identjax.training.member import Member
from identjax.training.step import CAUSES, TrainState, hyper_of


class Preempted(RuntimeError):
    """The run was asked to stop and has saved what it needs to go on; commands exit 75."""


@dataclasses.dataclass
class Seat:
    """The occupant of a slot, and its steps at the last check."""

    member: Member
    step: int = 0


@dataclasses.dataclass(frozen=True)
class Reading:
    """What a check tells about one slot."""

    step: int
    fault: int
    loss: float
    kl: float
    stderr: float

    def is_below(self, epsilon: float) -> bool:
        """Tell whether KL is below ε beyond doubt: by two standard errors where it has any."""
        return self.kl + 2 * self.stderr < epsilon


@dataclasses.dataclass(frozen=True)
class Context:
    """What the runs of all groups share; `on_save` is called after each checkpoint."""

    settings: RunSettings
    store: Store
    progress: Progress
    should_stop: Callable[[], bool]
    on_save: Callable[["GroupRun"], None]


class GroupRun:
    """The run of one group, from what its newest good checkpoint holds to its last member's end."""

    def __init__(self, group: Group, slots: Slots, context: Context) -> None:
        """Take up the checkpoint, or begin."""
        self.group, self.slots, self.context = group, slots, context
        self.check_every = group.members[0].check_every
        self.seats: list[Seat | None] = [None] * self.slots.count
        self.chunks, self.phase, self.taken, self.offered = 0, 0, 0, 0
        self.saved_at = time.monotonic()
        self.checkpoints = Checkpoints(context.store.checkpoint_dir / group.name)
        self.state = self._resume()
        # What is newer than the checkpoint will be written again, bit for bit.
        context.store.delete_parts_after(group.name, self.chunks)
        self.ledger = Ledger(context.store, group.name)
        self.drifts = group.starts.measure(group.members) if group.starts else {}
        gone = self.steps_in_slots.keys() | self.ledger.finished.keys()
        self.queue = [m for m in reversed(group.members) if m.member_id not in gone]

    def run(self) -> None:
        """Go on until every member has ended."""
        self._fill()
        while any(self.seats):
            length = self.context.settings.chunk_steps or self.check_every
            length = min(length, self.check_every - self.phase)
            self.state = self.slots.chunk(self.state, length)
            self.chunks, self.phase = self.chunks + 1, self.phase + length
            self.offered += length * self.slots.count
            if self.phase == self.check_every:
                self.phase = 0
                self._check()
                self._fill()
            self._save_if_due()
        self._save(wait=True)
        self.checkpoints.close()

    def status(self) -> Status:
        """Say how the group stands."""
        endings = [outcome.status for outcome in self.ledger.finished.values()]
        active = sum(seat is not None for seat in self.seats)
        to_go = [m.steps for m in self.queue]
        to_go += [seat.member.steps - seat.step for seat in self.seats if seat]
        return Status(
            group=self.group.name,
            pending=len(self.queue),
            active=active,
            done=len(endings) - endings.count("diverged"),
            diverged=endings.count("diverged"),
            taken=self.taken,
            to_go=sum(to_go),
            utilisation=self.taken / max(self.offered, 1),
        )

    @property
    def steps_in_slots(self) -> dict[str, int]:
        """The steps of every member in training, at its last check."""
        return {seat.member.member_id: seat.step for seat in self.seats if seat}

    def _resume(self) -> TrainState:
        hyper = hyper_of(self.group.members[0])
        by_id = {member.member_id: member for member in self.group.members}
        host = self.slots.zeros(hyper)
        found = self.checkpoints.load(
            lambda facts: self.slots.zeros(hyper, len(facts["seats"])), self._warn
        )
        if found is not None:
            saved, facts = found
            self.chunks, self.phase = facts["chunk"], facts["phase"]
            live = [(j, seat) for j, seat in enumerate(facts["seats"]) if seat]
            if len(live) > self.slots.count:
                allowed = f"at least {-(-len(live) // self.group.width)} to take up this run"
                raise ConfigError("devices", jax.device_count(), allowed)
            for i, (j, (member_id, step)) in enumerate(live):
                self.seats[i] = Seat(by_id[member_id], step)
                jax.tree.map(lambda new, old, i=i, j=j: new.__setitem__(i, old[j]), host, saved)
        state: TrainState = self.slots.place(host)
        return state

    def _fill(self) -> None:
        """Give empty slots to the next members of the queue."""
        empty = [i for i, seat in enumerate(self.seats) if seat is None]
        filled = [i for i, _ in zip(empty, self.queue, strict=False)]
        if not filled:
            return
        for i in filled:
            self.seats[i] = Seat(self.queue.pop())
        self.state = self.slots.refill(self.state, self._start(filled), filled)

    def _start(self, slots: list[int]) -> TrainState:
        """Begin the members of the given slots, with something in all others."""
        seats = {i: seat for i in slots if (seat := self.seats[i])}
        taken = [seats.get(i, seats[slots[0]]).member for i in range(self.slots.count)]
        hypers, starts = [hyper_of(member) for member in taken], self.group.starts
        if starts is None:
            return self.slots.start(hypers)
        made = {i: starts.params(seat.member) for i, seat in seats.items()}
        return self.slots.start(hypers, [made.get(i, made[slots[0]]) for i in range(len(taken))])

    def _check(self) -> None:
        """Read every slot; take snapshots and curves down; empty the slots of those that ended."""
        chunk, readings = self.chunks, self._read()
        rows, curves, host = [], self._describe_starts(), None
        for i, (seat, reading) in enumerate(zip(self.seats, readings, strict=True)):
            if seat is None:
                continue
            self.taken += reading.step - seat.step
            seat.step = reading.step
            values = {"loss": reading.loss, "kl_nats": reading.kl, "kl_stderr": reading.stderr}
            curves += _curve_rows(seat.member.member_id, reading.step, values)
            outcome = _outcome(seat.member, reading)
            for rung in self._due(seat.member, reading, outcome):
                host = jax.device_get(self.state.params) if host is None else host
                kl = (reading.kl, reading.stderr)
                ends = outcome if rung == FINAL else None
                row = snapshot_row(seat.member, rung, reading.step, kl, ends)
                self.ledger.note(row)
                rows.append(row | pack_params(host, i))
            if outcome:
                self.seats[i] = None
        for kind, found, schema in (("snapshots", rows, SCHEMA), ("curves", curves, CURVES)):
            if found:
                table = pa.Table.from_pylist(found, schema)
                self.context.store.write_part(kind, self.group.name, 0, chunk, table)
        self.context.progress.show(self.status())

    def _describe_starts(self) -> list[dict[str, Any]]:
        """Give the curves' rows at step 0 of the given starts that were not checked before."""
        fresh = {
            i: seat.member.member_id
            for i, seat in enumerate(self.seats)
            if seat is not None and seat.step == 0
        }
        if not fresh or not self.drifts:
            return []
        estimate, rows = jax.device_get(self.slots.check(self._start(list(fresh)))), []
        for i, member_id in fresh.items():
            drift = self.drifts[member_id]
            values = {"kl_nats": estimate.value[i].item(), "kl_stderr": estimate.stderr[i].item()}
            values |= {"start_kl_nats": drift.kl_nats, "start_logits": drift.logits}
            rows += _curve_rows(member_id, 0, values)
        return rows

    def _read(self) -> list[Reading]:
        state = self.state
        # One transfer; a check that is not a number is a member infinitely far from the truth.
        step, fault, window, kl, stderr = jax.device_get(
            (state.step, state.fault, state.window, *self.slots.check(state))
        )
        kl, stderr = np.nan_to_num(kl, nan=np.inf), np.nan_to_num(stderr, nan=np.inf)
        since = (step - 1) % self.check_every + 1
        loss = window / np.maximum(since, 1)
        columns = (step, fault, loss, kl, stderr)
        return [Reading(*(x.item() for x in row)) for row in zip(*columns, strict=True)]

    def _due(self, member: Member, reading: Reading, outcome: Outcome | None) -> list[str]:
        """Say which snapshots a check calls for, each at most once in a member's life."""
        settings = self.context.settings
        due = [rung_name(e) for e in settings.rungs if reading.is_below(e)]
        due += [f"@{reading.step}"] if reading.step in settings.snapshot_steps else []
        due += [FINAL] if outcome else []
        crossed = self.ledger.crossed.get(member.member_id, set())
        return [rung for rung in due if rung not in crossed]

    def _save_if_due(self) -> None:
        stop = self.context.should_stop()
        if stop or time.monotonic() - self.saved_at > self.context.settings.save_seconds:
            self._save(wait=stop)
        if stop:
            self.checkpoints.close()
            raise Preempted(f"stopped in group {self.group.name} after {self.taken} member-steps")

    def _save(self, wait: bool) -> None:
        seats = [[seat.member.member_id, seat.step] if seat else None for seat in self.seats]
        facts = {"phase": self.phase, "seats": seats}
        self.checkpoints.save(self.chunks, jax.device_get(self.state), facts, wait)
        self.saved_at = time.monotonic()
        self.context.on_save(self)

    def _warn(self, line: str) -> None:
        self.context.progress.warn(line)
        self.context.store.log("checkpoint_unusable", group=self.group.name, reason=line)


def _outcome(member: Member, reading: Reading) -> Outcome | None:
    if reading.fault:
        return Outcome("diverged", reading.step, CAUSES[reading.fault])
    if reading.is_below(member.stop_below):
        return Outcome("saturated", reading.step, "")
    return Outcome("done", reading.step, "") if reading.step >= member.steps else None


def _curve_rows(member_id: str, step: int, values: dict[str, float]) -> list[dict[str, Any]]:
    return [
        {"member_id": member_id, "step": step, "metric": metric, "value": value}
        for metric, value in values.items()
    ]
