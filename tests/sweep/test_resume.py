"""A folder that is continued: damaged, pruned, elsewhere, or asked to stop."""

import json
import os
import pathlib
import signal

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from identjax.errors import ConfigError
from identjax.store import Store
from identjax.sweep import run as runs
from identjax.sweep.folder.load import Run
from identjax.version import VERSION
from tests.sweep.harness import SEEDS, final_digests, plan_of, rows_of, train, train_until


def events(store: Store) -> list[dict[str, object]]:
    lines = (store.workdir / "events.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


# The array reader's callbacks may come after its own event loop has closed on an error.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_damaged_checkpoint_is_told_and_the_one_before_it_used(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    expected, _ = train(tmp_path / "whole")
    stopped = train_until(tmp_path / "run", plan_of(chunk_steps=5), 2)
    newest = stopped.checkpoints.directory / str(stopped.chunks)
    for path in [p for p in newest.rglob("*") if p.is_file() and "d" in p.parts]:
        path.write_bytes(bytes(byte ^ 1 for byte in path.read_bytes()))
    store, counts = train(tmp_path / "run")
    assert counts == {"done": 4}
    assert "WARNING: checkpoint" in capsys.readouterr().err
    assert "checkpoint_unusable" in [event["event"] for event in events(store)]
    for kind in ("snapshots", "curves"):
        assert rows_of(store, kind) == rows_of(expected, kind)


@pytest.mark.parametrize("name", ["SIGTERM", "SIGUSR1", "SIGUSR2"])
def test_signals_of_schedulers_ask_for_a_stop_and_nothing_more(name: str) -> None:
    with runs._stop_signals() as should_stop:
        assert not should_stop()
        os.kill(os.getpid(), signal.Signals[name])
        assert should_stop()


def test_snapshots_that_are_not_kept_lose_their_parameters_and_no_row(
    tmp_path: pathlib.Path,
) -> None:
    settings = {"rungs": (2.5, 2.3), "steps": 40, "snapshot_steps": (10,)}
    whole, _ = train(tmp_path / "whole", **settings)
    small, _ = train(tmp_path / "small", **settings, keep=("2.3",))
    assert set(Run(whole.workdir).rungs()) == {"2.5", "2.3", "@10", "final"}
    assert Run(small.workdir).rungs() == ["2.3"]
    assert Run(small.workdir).predictors("final") == {}
    assert len(Run(small.workdir).predictors("2.3")) == 1
    # Asked for later, it comes to the same, and is done once.
    for _ in range(2):
        train(whole.workdir, **settings, keep=("2.3",))
    assert rows_of(whole, "snapshots") == rows_of(small, "snapshots")
    assert [event["event"] for event in events(whole)].count("pruned") == 1
    assert len(whole.read_parts("snapshots")) > 4


def test_a_pruned_folder_resumes_and_is_extended(tmp_path: pathlib.Path) -> None:
    expected, _ = train(tmp_path / "whole", [*SEEDS, {"init_seed": 9}])
    train_until(tmp_path / "run", plan_of(chunk_steps=5, keep=("final",)), 2)
    train(tmp_path / "run", keep=("final",))
    store, counts = train(tmp_path / "run", [*SEEDS, {"init_seed": 9}], keep=("final",))
    assert counts == {"done": 5}
    assert final_digests(store) == final_digests(expected)


def test_what_is_kept_must_be_a_rung() -> None:
    with pytest.raises(ConfigError, match=r"keep.*0\.3.*0\.5"):
        plan_of(keep=("0.3",))


def pretend(store: Store, part: str, **other: object) -> None:
    """Let a folder say that it was run on something else."""
    sweep = store.read_sweep()
    assert sweep is not None
    store.write_sweep(sweep | {part: sweep[part] | other})


@pytest.mark.parametrize(
    ("part", "other"), [("device", {"count": 8}), ("versions", {"jax": "0.9.9"})]
)
def test_other_devices_or_versions_are_told_or_refused(
    tmp_path: pathlib.Path,
    capsys: pytest.CaptureFixture[str],
    part: str,
    other: dict[str, object],
) -> None:
    store, _ = train(tmp_path, SEEDS[:2])
    pretend(store, part, **other)
    name = next(iter(other))
    with pytest.raises(ConfigError, match=f"{part} {name}.*--nosame_devices"):
        runs.run_sweep(plan_of(SEEDS), store, {}, same_devices=True)
    train(tmp_path, SEEDS)
    error = " ".join(capsys.readouterr().err.split())
    assert "bits of members still to train may differ" in error
    assert [e["event"] for e in events(store)].count("resumed_elsewhere") == 1
    # The folder now says what it was last run with.
    train(tmp_path, [*SEEDS, {"init_seed": 9}])
    assert [e["event"] for e in events(store)].count("resumed_elsewhere") == 1


def test_a_folder_with_a_field_that_this_version_does_not_know_is_refused(
    tmp_path: pathlib.Path,
) -> None:
    store, _ = train(tmp_path, SEEDS[:1])
    table = store.read_members()
    store.write_members(table.append_column("warp", table["batch"]))
    pretend(store, "versions", identjax="9.1")
    for use in (lambda: train(tmp_path, SEEDS[:1]), Run(str(tmp_path)).members):
        with pytest.raises(ConfigError, match=f"workdir.*{VERSION}.*'warp'.*9.1") as caught:
            use()
        assert "\n" not in str(caught.value)
    assert "warp" in store.read_members().column_names


def test_a_folder_from_before_a_field_is_continued_as_with_its_default(
    tmp_path: pathlib.Path,
) -> None:
    whole, _ = train(tmp_path / "whole")
    store, _ = train(tmp_path / "run", SEEDS[:2])
    store.write_members(store.read_members().drop_columns(["precision", "clip", "teacher"]))
    read = Run(str(store.workdir)).members()
    assert set(read["precision"].to_pylist()) == {"float32"}
    assert read.column_names == whole.read_members().column_names
    _, counts = train(store.workdir)
    assert counts == {"done": 4}
    assert rows_of(store, "snapshots") == rows_of(whole, "snapshots")
    assert store.read_members().equals(whole.read_members())


def test_a_folder_from_before_a_default_changed_is_refused(tmp_path: pathlib.Path) -> None:
    store, _ = train(tmp_path, SEEDS[:1])
    table = store.read_members()
    store.write_members(table.set_column(0, "member_id", pa.array(["0123456789ab"])))
    with pytest.raises(ConfigError, match=r"workdir.*a default has changed"):
        train(tmp_path, SEEDS[:1])
    assert store.read_members()["member_id"].to_pylist() == ["0123456789ab"]


def test_measures_that_are_asked_for_later_are_kept_and_train_nothing(
    tmp_path: pathlib.Path,
) -> None:
    store, _ = train(tmp_path)
    before = store.read_sweep()
    train(tmp_path, measures=("one", "two"))
    after = store.read_sweep()
    assert after == before | {"settings": before["settings"] | {"measures": ["one", "two"]}}
    assert [event["event"] for event in events(store)].count("started") == 1


def test_the_rungs_of_the_snapshots_are_those_that_members_crossed(tmp_path: pathlib.Path) -> None:
    store, _ = train(tmp_path, keep=("0.5",))
    table = store.read_parts("snapshots")
    final = table.filter(pc.equal(table["rung"], "final"))
    assert set(final["digest"].to_pylist()) == {""}
    assert store.read_members()["status"].to_pylist() == ["done"] * 4
