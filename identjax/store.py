"""The one owner of a results folder: what is where, written whole or not at all.

A part is a small parquet file that one process wrote at one chunk; its name says so, so that a
resumed run can delete what is newer than its checkpoint and write the same parts again.
"""

import contextlib
import datetime
import errno
import fcntl
import json
import os
import pathlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from identjax.errors import ConfigError
from identjax.version import VERSION

FORMAT = 2
_PART = re.compile(r"(?P<group>.+)-p(?P<process>\d{4})-c(?P<chunk>\d{9})\.parquet")


class StoreError(RuntimeError):
    """The folder cannot be used now: no room, no rights, or another writer; commands exit 1."""


class Store:
    """A results folder.

    Of several processes one leads; the others write their own parts alone, under its lock.
    """

    def __init__(self, workdir: str | os.PathLike[str], leads: bool = True) -> None:
        if "://" in str(workdir):
            allowed = "a local folder or a mounted bucket (see docs/scaling.md, Buckets)"
            raise ConfigError("workdir", str(workdir), allowed)
        self.workdir, self._leads = pathlib.Path(workdir), leads

    # What was run

    def read_sweep(self) -> dict[str, Any] | None:
        """Give sweep.json, or None where no sweep was started."""
        path = self.workdir / "sweep.json"
        if not path.exists():
            return None
        sweep: dict[str, Any] = json.loads(path.read_text())
        if (written := sweep["format"]) == FORMAT:
            return sweep
        writer = sweep.get("versions", {}).get("identjax", "of another version")
        remedy = "update" if written > FORMAT else "train it anew, or open it with that"
        allowed = f"a folder of format {FORMAT}, as identjax {VERSION} writes it"
        told = f"{allowed}, not {written}, of identjax {writer}: {remedy}"
        raise ConfigError("workdir", str(self.workdir), told)

    def write_sweep(self, sweep: Mapping[str, Any]) -> None:
        """Write sweep.json whole."""
        if not self._leads:
            return
        text = json.dumps({"format": FORMAT, **sweep}, indent=1, sort_keys=True)
        with self._replacing(self.workdir / "sweep.json") as temporary:
            temporary.write_text(text + "\n")

    def read_members(self, columns: list[str] | None = None) -> pa.Table | None:
        """Give members.parquet or some columns of it, or None."""
        return self._read(self.workdir / "members.parquet", columns)

    def write_members(self, table: pa.Table) -> None:
        """Write members.parquet whole."""
        if self._leads:
            self.write_table(self.workdir / "members.parquet", table)

    def log(self, event: str, **facts: Any) -> None:
        """Append one line to events.jsonl."""
        if not self._leads:
            return
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        with clear_errors(self.workdir), (self.workdir / "events.jsonl").open("a") as file:
            file.write(json.dumps({"time": now, "event": event, **facts}) + "\n")

    # Parts

    def write_part(self, kind: str, group: str, process: int, chunk: int, table: pa.Table) -> None:
        """Write one part of `curves` or `snapshots`, over an earlier one of the same name."""
        name = f"{group}-p{process:04d}-c{chunk:09d}.parquet"
        self.write_table(self.workdir / kind / name, table)

    def parts(self, kind: str, group: str | None = None) -> list[tuple[int, pathlib.Path]]:
        """List (chunk, path) of the parts of a kind, of one group or of all, oldest first."""
        paths = (self.workdir / kind).glob("*.parquet")
        named = ((_PART.fullmatch(path.name), path) for path in paths)
        return sorted(
            (int(match["chunk"]), path)
            for match, path in named
            if match and group in (None, match["group"])
        )

    def read_parts(
        self,
        kind: str,
        columns: list[str] | None = None,
        group: str | None = None,
        where: dict[str, list[str]] | None = None,
        broken: dict[str, str] | None = None,
    ) -> pa.Table | None:
        """Give all parts of a kind as one table, or None where there are none.

        `where` keeps the rows whose columns have one of the given values; others are not loaded.
        A part that cannot be read is left out and named in `broken`, with the reason; without
        that, it is an error.
        """
        filters = [(name, "in", values) for name, values in (where or {}).items()] or None
        tables = []
        for _, path in self.parts(kind, group):
            try:
                tables.append(pq.read_table(path, columns=columns, filters=filters))
            except (ValueError, OSError) as error:
                reason = str(error).splitlines()[0]
                if broken is None:
                    raise StoreError(f"cannot read {path}: {reason}") from error
                broken[path.name] = reason
        return pa.concat_tables(tables) if tables else None

    def read_part(self, path: pathlib.Path, columns: list[str] | None = None) -> pa.Table:
        """Give one part."""
        return pq.read_table(path, columns=columns)

    def write_table(self, path: pathlib.Path, table: pa.Table) -> None:
        """Write one file whole, over what is there."""
        with self._replacing(path) as temporary:
            pq.write_table(table, temporary)

    def delete_parts_after(self, group: str, chunk: int) -> None:
        """Delete the parts of a group that are newer than a chunk."""
        for kind in ("curves", "snapshots") if self._leads else ():
            for at, path in self.parts(kind, group):
                if at > chunk:
                    path.unlink()

    # Evaluations and the report

    def read_eval(self, name: str) -> pa.Table | None:
        """Give evals/NAME.parquet, or None."""
        return self._read(self.workdir / "evals" / f"{name}.parquet")

    def write_eval(self, name: str, table: pa.Table) -> None:
        """Write evals/NAME.parquet whole."""
        self.write_table(self.workdir / "evals" / f"{name}.parquet", table)

    @property
    def report_dir(self) -> pathlib.Path:
        """The folder of the page, made on demand."""
        path = self.workdir / "report"
        with clear_errors(path):
            path.mkdir(parents=True, exist_ok=True)
        return path

    @property
    def checkpoint_dir(self) -> pathlib.Path:
        """The folder of the resume state."""
        return (self.workdir / "checkpoints").absolute()

    # One writer

    @contextlib.contextmanager
    def writing(self, part: str = "") -> Iterator[None]:
        """Hold the lock of the folder or of a part of it, which the system drops with the process.

        A sweep holds the folder's; an evaluation that of `evals`, so that what a sweep has
        written can be evaluated while it goes on.
        """
        if not self._leads:
            yield
            return
        folder = self.workdir / part
        with clear_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            handle = (folder / "lock").open("a+")
        with handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                handle.seek(0)
                owner = handle.read().strip() or "another process"
                raise StoreError(f"workdir {folder} is in use by {owner}") from error
            handle.truncate(0)
            handle.write(f"process {os.getpid()} on {os.uname().nodename}")
            handle.flush()
            yield

    def _read(self, path: pathlib.Path, columns: list[str] | None = None) -> pa.Table | None:
        return pq.read_table(path, columns=columns) if path.exists() else None

    @contextlib.contextmanager
    def _replacing(self, path: pathlib.Path) -> Iterator[pathlib.Path]:
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        with clear_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                yield temporary
                with temporary.open("rb") as file:
                    os.fsync(file.fileno())
                temporary.replace(path)
            finally:
                temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def clear_errors(path: pathlib.Path) -> Iterator[None]:
    """Turn what the disk refuses into one clear line."""
    try:
        yield
    except (OSError, ValueError) as error:
        number = error.errno if isinstance(error, OSError) else None
        # The array writer tells of a full disk in words only.
        if number in (errno.ENOSPC, errno.EDQUOT) or os.strerror(errno.ENOSPC) in str(error):
            line = f"no room left on the disk of {path}; free some and run again"
            raise StoreError(line) from error
        if number in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST):
            raise StoreError(f"cannot write {path}: {os.strerror(number)}") from error
        raise
