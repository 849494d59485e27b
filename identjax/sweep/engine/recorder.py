"""What the checks of a group find: known at once, and written while the next chunk runs."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
import pyarrow as pa

from identjax import processes, rungs
from identjax.models.model import Params
from identjax.store import Store
from identjax.sweep.folder.ledger import (
    CURVES,
    NO_PARAMS,
    SCHEMA,
    Ledger,
    Standing,
    pack_params,
    snapshot_row,
)
from identjax.sweep.plan.groups import RunSettings
from identjax.training.member import Member
from identjax.training.step import CAUSES


class Reading(NamedTuple):
    """What a check tells about one slot."""

    step: int
    fault: int
    loss: float
    kl: float
    stderr: float

    @property
    def upper(self) -> float:
        """What KL is below beyond doubt: two standard errors above it, where it has any."""
        return self.kl + 2 * self.stderr


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


class Recorder:
    """Takes down which rungs members cross, their curves and their ends; writes one check's parts.

    Of several processes each writes the rows of its own slots; the ledger of each has all of them.
    """

    def __init__(self, store: Store, group: str, settings: RunSettings, local: range) -> None:
        self.ledger = Ledger(store, group)
        self._store, self._group, self._settings, self._local = store, group, settings, local
        self._chunk = 0
        self._params: Params = None
        self._snapshots: list[tuple[dict[str, Any], int]] = []
        self._curves: list[tuple[str, int, str, float]] = []

    def take_down(self, slot: int, member: Member, reading: Reading) -> bool:
        """Note what a check tells of one member; say whether it ends."""
        if slot in self._local:
            kl = {"kl_nats": reading.kl, "kl_stderr": reading.stderr}
            self.add_curves(member, reading.step, {"loss": reading.loss, **kl})
        ended = ending(member, reading)
        for rung in self._due(member, reading, ended is not None):
            ends = ended if rung == rungs.FINAL else None
            row = snapshot_row(member, rung, reading.step, (reading.kl, reading.stderr), ends)
            self.ledger.note(row)
            self._snapshots.append((row, slot))
        return ended is not None

    def add_curves(self, member: Member, step: int, values: dict[str, float]) -> None:
        """Note points of a member's curves."""
        self._curves += [(member.member_id, step, name, value) for name, value in values.items()]

    def close(self, chunk: int, copy_params: Callable[[], Params]) -> None:
        """End a check, with a copy of all slots' parameters if a snapshot is due."""
        self._chunk, self._params = chunk, copy_params() if self._snapshots else None

    def write(self) -> None:
        """Write the parts of the last check, if that was not done yet."""
        host, first = processes.fetch(self._params), self._local.start
        rows = [
            row | (pack_params(host, i - first) if self._settings.keeps(row["rung"]) else NO_PARAMS)
            for row, i in self._snapshots
            if i in self._local
        ]
        if rows:
            self._write("snapshots", pa.Table.from_pylist(rows, SCHEMA))
        if self._curves:
            columns = zip(*self._curves, strict=True)
            named = dict(zip(CURVES.names, columns, strict=True))
            self._write("curves", pa.Table.from_pydict(named, CURVES))
        self._params, self._snapshots, self._curves = None, [], []

    def _write(self, kind: str, table: pa.Table) -> None:
        self._store.write_part(kind, self._group, jax.process_index(), self._chunk, table)

    def _due(self, member: Member, reading: Reading, ends: bool) -> list[str]:
        """Say which snapshots a check calls for, each at most once in a member's life."""
        settings, upper = self._settings, reading.upper
        due = [rungs.name_epsilon(epsilon) for epsilon in settings.rungs if upper < epsilon]
        due += [rungs.name_step(reading.step)] if reading.step in settings.snapshot_steps else []
        due += [rungs.FINAL] if ends else []
        crossed = self.ledger.crossed.get(member.member_id, set())
        return [rung for rung in due if rung not in crossed]
