"""A results folder is written whole or not at all, by one writer."""

import errno
import pathlib
import subprocess
import sys

import pyarrow as pa
import pytest

from identjax.errors import ConfigError
from identjax.store import FORMAT, Store, StoreError
from identjax.version import VERSION

TABLE = pa.table({"member_id": ["a", "b"], "value": [1.0, 2.0]})


def test_parts_are_read_in_order_of_chunk_and_by_group(tmp_path: pathlib.Path) -> None:
    store = Store(tmp_path)
    for group, chunk in (("g-1", 20), ("g-1", 3), ("g-10", 5)):
        table = pa.table({"group": [group], "chunk": [chunk]})
        store.write_part("curves", group, 0, chunk, table)
    assert store.read_parts("curves", group="g-1").column("chunk").to_pylist() == [3, 20]
    assert store.read_parts("curves").num_rows == 3
    assert store.read_parts("snapshots") is None


def test_a_part_that_cannot_be_read_is_named(tmp_path: pathlib.Path) -> None:
    store = Store(tmp_path)
    for chunk in (1, 2):
        store.write_part("snapshots", "g", 0, chunk, TABLE)
    _, path = store.parts("snapshots")[0]
    path.write_bytes(path.read_bytes()[:-20])
    broken: dict[str, str] = {}
    assert store.read_parts("snapshots", broken=broken).num_rows == TABLE.num_rows
    assert list(broken) == [path.name]
    with pytest.raises(StoreError, match=path.name):
        store.read_parts("snapshots")


def test_a_part_written_twice_stands_once(tmp_path: pathlib.Path) -> None:
    store = Store(tmp_path)
    for _ in range(2):
        store.write_part("curves", "g", 0, 7, TABLE)
    assert store.read_parts("curves").num_rows == TABLE.num_rows


def test_only_newer_parts_of_the_group_are_deleted(tmp_path: pathlib.Path) -> None:
    store = Store(tmp_path)
    for group in ("g", "h"):
        for chunk in (1, 2, 3):
            store.write_part("curves", group, 0, chunk, TABLE)
            store.write_part("snapshots", group, 0, chunk, TABLE)
    store.delete_parts_after("g", 1)
    assert [chunk for chunk, _ in store.parts("curves", "g")] == [1]
    assert [chunk for chunk, _ in store.parts("curves", "h")] == [1, 2, 3]


def test_a_failed_write_leaves_the_old_file(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path)
    store.write_members(TABLE)

    def fill_disk(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("pyarrow.parquet.write_table", fill_disk)
    with pytest.raises(StoreError, match="no room left"):
        store.write_members(TABLE.slice(0, 1))
    assert store.read_members() == TABLE
    assert [path.name for path in tmp_path.iterdir()] == ["members.parquet"]


def test_a_second_writer_is_refused_until_the_first_dies(tmp_path: pathlib.Path) -> None:
    hold = (
        "import sys; from identjax.store import Store\n"
        "with Store(sys.argv[1]).writing():\n"
        "    print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(StoreError, match=f"in use by process {holder.pid}"):
            Store(tmp_path).writing().__enter__()
        holder.kill()
        holder.wait()
    with Store(tmp_path).writing(), Store(tmp_path).writing("evals"):
        assert (tmp_path / "lock").exists()


def test_another_format_is_refused_with_both_versions(tmp_path: pathlib.Path) -> None:
    store = Store(tmp_path)
    store.write_sweep({"settings": {}})
    assert store.read_sweep() == {"format": FORMAT, "settings": {}}
    store.write_sweep({"format": FORMAT + 1, "versions": {"identjax": "9.1"}})
    with pytest.raises(ConfigError, match=rf"workdir.*identjax {VERSION}.*identjax 9\.1: update"):
        store.read_sweep()
    store.write_sweep({"format": 1, "versions": {"identjax": "0.1.0"}})
    with pytest.raises(ConfigError, match=rf"identjax {VERSION}.*identjax 0\.1\.0: train it anew"):
        store.read_sweep()


def test_one_process_that_does_not_lead_writes_its_own_parts_alone(tmp_path: pathlib.Path) -> None:
    Store(tmp_path).write_part("curves", "g", 0, 7, TABLE)
    follower = Store(tmp_path, leads=False)
    with Store(tmp_path).writing(), follower.writing():
        follower.write_sweep({})
        follower.write_members(TABLE)
        follower.log("started")
        follower.delete_parts_after("g", 1)
        follower.write_part("curves", "g", 1, 7, TABLE)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["curves", "lock"]
    assert len(follower.parts("curves")) == 2


def test_a_file_in_the_way_and_a_far_folder_are_named(tmp_path: pathlib.Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("")
    with pytest.raises(StoreError, match="cannot write"):
        Store(blocker / "deeper").write_sweep({})
    with pytest.raises(ConfigError, match="local folder"):
        Store("gs://bucket/run")
