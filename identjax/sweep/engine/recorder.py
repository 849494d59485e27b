"""What the checks of a group find: known at once, and written while the next chunk runs."""

from typing import Any

import pyarrow as pa

from identjax import processes, rungs
from identjax.models.model import Params
from identjax.store import Store
from identjax.sweep.engine.readings import Reading, ending
from identjax.sweep.folder.ledger import CURVES, SCHEMA, Ledger, pack_params, snapshot_row
from identjax.sweep.folder.prune import NO_PARAMS, keeps
from identjax.sweep.plan.groups import RunSettings
from identjax.training.member import Member


class Recorder:
    """Takes down which rungs members cross, their curves and their ends; writes one check's parts.

    Of several processes each writes the rows of its own slots; the ledger of each has all of them.
    """

    def __init__(self, store: Store, group: str, settings: RunSettings, local: range) -> None:
        """Read what stands of a group; `local` are the slots of this process."""
        self.ledger = Ledger(store, group)
        self._store, self._group, self._settings, self._local = store, group, settings, local
        self._chunk = 0
        self._params: Params = None
        self._snapshots: list[tuple[dict[str, Any], int]] = []
        self._curves: list[tuple[str, int, str, float]] = []

    def take_down(self, slot: int, member: Member, reading: Reading) -> bool:
        """Note what a check tells of one member; say whether it ends."""
        if slot in self._local:
            self.add_curves(member, reading.step, reading.values)
        ended = ending(member, reading)
        for rung in self._due(member, reading, ended is not None):
            kl = (reading.kl, reading.stderr)
            ends = ended if rung == rungs.FINAL else None
            row = snapshot_row(member, rung, reading.step, kl, ends)
            self.ledger.note(row)
            self._snapshots.append((row, slot))
        return ended is not None

    def add_curves(self, member: Member, step: int, values: dict[str, float]) -> None:
        """Note points of a member's curves."""
        self._curves += [(member.member_id, step, name, value) for name, value in values.items()]

    @property
    def wants_params(self) -> bool:
        """Tell whether there is a snapshot to be written."""
        return bool(self._snapshots)

    def close(self, chunk: int, params: Params) -> None:
        """End a check, with a copy of all slots' parameters if they are wanted."""
        self._chunk, self._params = chunk, params

    def write(self) -> None:
        """Write the parts of the last check, if that was not done yet."""
        host, first = processes.fetch(self._params), self._local.start
        rows = [
            row
            | (pack_params(host, i - first) if keeps(self._settings, row["rung"]) else NO_PARAMS)
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
        self._store.write_part(kind, self._group, processes.index(), self._chunk, table)

    def _due(self, member: Member, reading: Reading, ends: bool) -> list[str]:
        """Say which snapshots a check calls for, each at most once in a member's life."""
        settings, upper = self._settings, reading.upper
        due = [rungs.name_epsilon(epsilon) for epsilon in settings.rungs if upper < epsilon]
        due += [rungs.name_step(reading.step)] if reading.step in settings.snapshot_steps else []
        due += [rungs.FINAL] if ends else []
        crossed = self.ledger.crossed.get(member.member_id, set())
        return [rung for rung in due if rung not in crossed]
