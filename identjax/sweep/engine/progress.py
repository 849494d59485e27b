"""What a person sees of a run: a bar on a terminal, a line per check elsewhere."""

import dataclasses
import sys
import time

import rich.console
import rich.progress

_EVERY_SECONDS = 5.0


@dataclasses.dataclass(frozen=True)
class Status:
    """How a group stands: counts of members, and member-steps taken here and still to go.

    Utilisation is slots in use over slots; `utilisation_queued` is that while members waited.
    """

    group: str
    pending: int
    active: int
    done: int
    diverged: int
    taken: int
    to_go: int
    utilisation: float
    utilisation_queued: float


class Progress:
    """Shows the groups of one run, one after another."""

    def __init__(self, to_go_later: dict[str, int], quiet: bool = False) -> None:
        self._later = dict(to_go_later)
        self._console = rich.console.Console(
            file=sys.stderr, highlight=False, soft_wrap=True, quiet=quiet
        )
        self._began = self._shown = time.monotonic()
        self._first: tuple[float, int] | None = None
        self._bar: rich.progress.Progress | None = None

    def begin(self, group: str, members: int, slots: int) -> None:
        """Announce a group."""
        self._later.pop(group, None)
        self._first, self._began = None, time.monotonic()
        self.say(f"{group}: {members} members in {slots} slots …")
        if self._console.is_terminal and not self._console.quiet:
            self._bar = rich.progress.Progress(console=self._console, transient=True)
            self._task = self._bar.add_task(group, total=None)
            self._bar.start()

    def show(self, status: Status) -> None:
        """Show how the group stands; lines come at most every few seconds."""
        now = time.monotonic()
        if self._first is None:
            # What went before the first check says nothing of the rate.
            self._first = now, status.taken
            self.say(f"{status.group}: compiled, and first checked after {now - self._began:.1f} s")
            return
        then, taken = self._first
        rate = max(status.taken - taken, 1) / max(now - then, 1e-9)
        left = (status.to_go + sum(self._later.values())) / rate
        line = (
            f"{status.group}: {status.active} active, {status.pending} pending, "
            f"{status.done} done, {status.diverged} diverged; "
            f"{status.utilisation:.0%} of slots used, {rate:,.0f} member-steps/s, "
            f"at most {clock(left)} left"
        )
        if self._bar:
            total = status.taken + status.to_go
            self._bar.update(self._task, completed=status.taken, total=total, description=line)
        elif now - self._shown >= _EVERY_SECONDS or not status.active:
            self._shown = now
            self.say(line)

    def end(self) -> None:
        """Close the bar of a group."""
        if self._bar:
            self._bar.stop()
            self._bar = None

    def say(self, line: str) -> None:
        """Print a line."""
        self._console.print(line, markup=False)

    def warn(self, line: str) -> None:
        """Print a line that must not be missed."""
        self._console.print(f"WARNING: {line}", style="bold yellow", markup=False)


def clock(seconds: float) -> str:
    """Write a time as hours, minutes and seconds."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}"
