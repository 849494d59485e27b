"""The host half of the engine: slots are filled, stepped, checked, emptied and filled again."""

import dataclasses
import time
from collections.abc import Callable

import jax

from identjax import processes
from identjax.checkpoint import Checkpoints
from identjax.store import Store
from identjax.sweep.engine.progress import Progress, Status
from identjax.sweep.engine.recorder import Recorder, make_readings
from identjax.sweep.engine.seats import Parked, Queue, Seat, Tally, left_to_wait
from identjax.sweep.engine.slots import Slots, put_slot
from identjax.sweep.plan.groups import Group, RunSettings, digest_of
from identjax.training.step import TrainState, hyper_of


class Preempted(RuntimeError):
    """The run was asked to stop and has saved what it needs to go on; commands exit 75."""


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
        self.group, self.slots, self.context = group, slots, context
        self.check_every = group.members[0].check_every
        self.seats: list[Seat | None] = [None] * self.slots.count
        self.chunks, self.phase = 0, 0
        # Of all steps, and of those that were taken while further members waited for a slot.
        self.tally, self.queued = Tally(), Tally()
        # From a checkpoint of more slots than there are now.
        self.parked: list[Parked] = []
        self.saved_at = time.monotonic()
        self.checkpoints = Checkpoints(context.store.checkpoint_dir / group.name)
        self.state = self._resume()
        # What is newer than the checkpoint will be written again, bit for bit.
        context.store.delete_parts_after(group.name, self.chunks)
        processes.exchange(None)
        self.recorder = Recorder(context.store, group.name, context.settings, slots.local)
        if group.starts:
            group.starts.measure(group.members)  # refuses one that is another function
        gone = self.steps_in_slots.keys() | self.recorder.ledger.finished.keys()
        self.queue = Queue([m for m in group.members if m.member_id not in gone])
        processes.expect_same({"queue (is workdir one shared folder?)": digest_of(self.queue)})

    @left_to_wait()
    def run(self) -> None:
        """Go on until every member has ended."""
        self._fill()
        while any(self.seats) or self.parked:
            length = self._chunk_length()
            self.state = self.slots.chunk(self.state, length)
            self.chunks, self.phase = self.chunks + 1, self.phase + length
            # The devices are at work; what the check before them found is written meanwhile.
            self.recorder.write()
            if self.phase == self.check_every:
                self.phase = 0
                self._check()
            self._fill()
            self._save_if_due()
        self._save(wait=True)
        self.checkpoints.close()

    def _chunk_length(self) -> int:
        """Give the steps of the next chunk: up to a check, or to where parked members go on."""
        stops = [self.check_every, *(parked.phase for parked in self.parked)]
        to_stop = min(stop - self.phase for stop in stops if stop > self.phase)
        return min(self.context.settings.chunk_steps or to_stop, to_stop)

    def status(self) -> Status:
        """Say how the group stands."""
        begun, ledger = self._begun, self.recorder.ledger
        return Status(
            group=self.group.name,
            pending=len(self.queue) + len(self.parked),
            active=len(begun) - len(self.parked),
            done=len(ledger.finished) - ledger.diverged,
            diverged=ledger.diverged,
            taken=self.tally.taken,
            to_go=self.queue.to_go + sum(seat.member.steps - seat.step for seat in begun),
            utilisation=self.tally.share,
            utilisation_queued=self.queued.share,
        )

    @property
    def _begun(self) -> list[Seat]:
        return [*filter(None, self.seats), *(parked.seat for parked in self.parked)]

    @property
    def steps_in_slots(self) -> dict[str, int]:
        """The steps of every member in training, at its last check."""
        return {seat.member.member_id: seat.step for seat in self._begun}

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
            free = iter(range(self.slots.count))
            for j, (member_id, step, phase) in live:
                seat, own = Seat(by_id[member_id], step), jax.tree.map(lambda x, j=j: x[j], saved)
                slot = next(free, None) if phase == self.phase else None
                if slot is None:
                    self.parked.append(Parked(seat, phase, own))
                else:
                    self.seats[slot] = seat
                    put_slot(host, slot, own)
        return self.slots.place(host)

    def _fill(self) -> None:
        """Give empty slots to parked members, and at a check to the next of the queue."""
        empty = [i for i, seat in enumerate(self.seats) if seat is None]
        kept = empty[: len(self.parked)]
        if kept and not any(self.seats):
            self.phase = self.parked[0].phase
        self._unpark(kept)
        filled = empty[len(kept) :][: len(self.queue)]
        if not filled or self.phase:
            return
        for i in filled:
            self.seats[i] = Seat(self.queue.take())
        self.state = self.slots.refill(self.state, self._start(filled), filled)

    def _start(self, slots: list[int]) -> TrainState:
        """Begin the members of the given slots; the others get a copy of the first."""
        seats = {i: seat for i in slots if (seat := self.seats[i])}
        sources = [i if i in seats else slots[0] for i in range(self.slots.count)]
        hypers, starts = {i: hyper_of(s.member) for i, s in seats.items()}, self.group.starts
        if starts is None:
            return self.slots.start([hypers[i] for i in sources])
        made = {i: starts.params(seat.member) for i, seat in seats.items()}
        return self.slots.start([hypers[i] for i in sources], [made[i] for i in sources])

    def _unpark(self, empty: list[int]) -> None:
        """Give slots to those whose phase this is, so that their checks fall where they should."""
        ready = [parked for parked in self.parked if parked.phase == self.phase][: len(empty)]
        if not ready:
            return
        host = self.slots.zeros(hyper_of(self.group.members[0]))
        slots = empty[: len(ready)]
        for i, parked in zip(slots, ready, strict=True):
            self.seats[i] = parked.seat
            put_slot(host, i, parked.state)
            self.parked.remove(parked)
        self.state = self.slots.refill(self.state, self.slots.place(host), slots)

    def _check(self) -> None:
        """Read every slot, have it taken down, and empty the slots of those that ended."""
        self._check_starts()
        state, taken = self.state, 0
        # One transfer.
        columns = self.slots.read((state.step, state.fault, state.window, *self.slots.check(state)))
        readings = make_readings(self.check_every, *columns)
        for i, (seat, reading) in enumerate(zip(self.seats, readings, strict=True)):
            if seat is None:
                continue
            taken += reading.step - seat.step
            seat.step = reading.step
            if self.recorder.take_down(i, seat.member, reading):
                self.seats[i] = None
        self.recorder.close(self.chunks, lambda: self.slots.copy_params(state))
        for tally in (self.tally, self.queued) if self.queue else (self.tally,):
            tally.taken += taken
            tally.offered += self.check_every * self.slots.count
        self.context.progress.show(self.status())

    def _check_starts(self) -> None:
        """Take down the KL of the given starts that were not checked before, as of step 0."""
        fresh = {i: seat for i, seat in enumerate(self.seats) if seat and seat.step == 0}
        if not fresh or not self.group.starts:
            return
        estimate = self.slots.read(self.slots.check(self._start(list(fresh))))
        for i, seat in fresh.items() if processes.is_first() else ():
            values = {"kl_nats": estimate.value[i].item(), "kl_stderr": estimate.stderr[i].item()}
            self.recorder.add_curves(seat.member, 0, values)

    def _save_if_due(self) -> None:
        due = time.monotonic() - self.saved_at > self.context.settings.save_seconds
        stop, due = processes.agree(self.context.should_stop(), due)
        if stop or due:
            self._save(wait=stop)
        if stop:
            self.checkpoints.close()
            line = f"stopped in group {self.group.name} after {self.tally.taken} member-steps"
            raise Preempted(line)

    def _save(self, wait: bool) -> None:
        # A checkpoint stands for all parts up to its chunk.
        self.recorder.write()
        begun = [(seat, self.phase) for seat in self.seats]
        begun += [(parked.seat, parked.phase) for parked in self.parked]
        seats = [[s.member.member_id, s.step, phase] if s else None for s, phase in begun]
        stack = self.slots.join(self.state, [parked.state for parked in self.parked])
        seats += [None] * (len(stack.step) - len(seats))
        facts = {"phase": self.phase, "seats": seats}
        self.checkpoints.save(self.chunks, stack, facts, wait)
        self.saved_at = time.monotonic()
        self.context.on_save(self)

    def _warn(self, line: str) -> None:
        self.context.progress.warn(line)
        self.context.store.log("checkpoint_unusable", group=self.group.name, reason=line)
