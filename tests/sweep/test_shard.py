"""Shards: any split gives members the same bits, and a merge joins them or says why not."""

import pathlib
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from identjax.axes import axis
from identjax.errors import ConfigError
from identjax.store import Store
from identjax.sweep.folder.merge import merge
from identjax.sweep.plan.request import Shard, parse_shard
from identjax.sweep.run import run_sweep
from tests.sweep.harness import final_digests, plan_of, prepare_once, rows_of, train, train_until

SWEEP = axis("init_seed", range(7))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return train(tmp_path_factory.mktemp("whole"), SWEEP)[0]


def run_shard(workdir: pathlib.Path, shard: Shard, chunks: int | None = None) -> Store:
    """Run one shard, cut short after some chunks and taken up again where `chunks` says so."""
    plan, store = shard.of(plan_of(SWEEP)), Store(workdir)
    if chunks is not None and plan.members:
        train_until(workdir, plan, chunks)
    run_sweep(plan, store, {}, prepare=prepare_once)
    return store


def run_shards(root: pathlib.Path, count: int) -> list[Store]:
    return [run_shard(root / f"{i}-of-{count}", Shard(i, count)) for i in range(count)]


@settings(
    max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data(), count=st.sampled_from([1, 2, 3]))
def test_any_split_in_any_order_with_kills_between_gives_the_same_bits(
    whole: Store, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, count: int
) -> None:
    root = tmp_path_factory.mktemp("shards")
    stores = []
    for index in data.draw(st.permutations(range(count))):
        chunks = data.draw(st.none() | st.integers(0, 3))
        stores.append(run_shard(root / str(index), Shard(index, count), chunks))
    target = Store(root / "all")
    assert merge(stores, target)[0] == {"done": 7}
    for kind in ("snapshots", "curves"):
        assert rows_of(target, kind) == rows_of(whole, kind)
    by_id = [sorted(map(repr, store.read_members().to_pylist())) for store in (target, whole)]
    assert by_id[0] == by_id[1]


def test_every_member_is_in_one_shard_and_groups_keep_their_width() -> None:
    plan = plan_of(SWEEP, width=0)
    for count in (1, 2, 3, 64):
        parts = [Shard(i, count).of(plan) for i in range(count)]
        ids = [member.member_id for part in parts for member in part.members]
        assert sorted(ids) == sorted(member.member_id for member in plan.members)
        assert {group.width for part in parts for group in part.groups} == {plan.groups[0].width}


@pytest.mark.parametrize("text", ["4/4", "-1/4", "0/0", "1", "a/b", "1/2/3", "0.5/2"])
def test_a_shard_out_of_range_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="i/n"):
        parse_shard(text)


def test_another_shard_in_the_folder_is_refused_and_the_whole_extends_it(
    whole: Store, tmp_path: pathlib.Path
) -> None:
    run_shard(tmp_path, Shard(0, 2))
    for other in (Shard(1, 2), Shard(0, 3)):
        with pytest.raises(ConfigError, match=f"{other.index}/{other.count}"):
            run_shard(tmp_path, other)
    with pytest.raises(ConfigError, match="the whole sweep"):
        run_shard(whole.workdir, Shard(0, 2))
    store, _ = train(tmp_path, SWEEP)
    assert final_digests(store) == final_digests(whole)


def test_a_shard_without_members_is_done_at_once(tmp_path: pathlib.Path) -> None:
    stores = run_shards(tmp_path, 12)
    empty = [store for store in stores if store.read_members().num_rows == 0]
    assert len(empty) >= 5
    assert merge(stores, Store(tmp_path / "all"))[0] == {"done": 7}


def test_a_merge_of_what_has_ended_so_far_is_completed_later(
    whole: Store, tmp_path: pathlib.Path
) -> None:
    first, second = Shard(0, 2), Shard(1, 2)
    stores = [run_shard(tmp_path / "0", first), Store(tmp_path / "1")]
    target = Store(tmp_path / "all")
    _, early = merge(stores[:1], target)
    assert "of the sweep's 7 members" in early[0]
    run_shard(tmp_path / "1", second)
    for _ in range(2):  # the second time there is nothing new
        late = merge(stores, target)
        assert late == ({"done": 7}, [])
        assert rows_of(target, "curves") == rows_of(whole, "curves")
    longer, counts = train(target.workdir, axis("init_seed", range(9)))
    assert counts == {"done": 9}
    assert final_digests(longer).items() >= final_digests(whole).items()


def test_a_folder_in_use_is_left_for_later(tmp_path: pathlib.Path) -> None:
    stores = run_shards(tmp_path, 2)
    with stores[1].writing():
        notes = merge(stores, Store(tmp_path / "all"))[1]
    assert "left for a later merge" in notes[0]
    assert merge(stores, Store(tmp_path / "all"))[0] == {"done": 7}


def alter(store: Store, **changes: Any) -> None:
    sweep = store.read_sweep()
    assert sweep is not None
    store.write_sweep(sweep | changes)


def test_folders_of_different_sweeps_are_refused_by_field(tmp_path: pathlib.Path) -> None:
    stores = run_shards(tmp_path, 2)
    sweep = stores[0].read_sweep()
    assert sweep is not None
    ((group, facts),) = sweep["groups"].items()
    for field, change in {
        "rungs": {"settings": sweep["settings"] | {"rungs": [1.0]}},
        "width of": {"groups": {group: facts | {"width": 1}}},
        "sweep digest": {"sweep": sweep["sweep"] | {"digest": "other"}},
        "model.lstm.hidden": {"config": {"model": {"lstm": {"hidden": 9}}}},
    }.items():
        alter(stores[1], **{**sweep, "shard": "1/2", **change})
        with pytest.raises(ConfigError, match=field):
            merge(stores, Store(tmp_path / "all"))
    with pytest.raises(ConfigError, match="was started"):
        merge([stores[0], Store(tmp_path / "none")], Store(tmp_path / "all"))
    assert not (tmp_path / "all").exists()


def test_an_overlap_that_disagrees_is_refused_before_anything_is_merged(
    whole: Store, tmp_path: pathlib.Path
) -> None:
    store = run_shard(tmp_path / "0", Shard(0, 2))
    assert merge([whole, store], Store(tmp_path / "agrees"))[0] == {"done": 7}
    chunk, path = store.parts("snapshots")[-1]
    rows = store.read_parts("snapshots").to_pylist()
    for _, old in store.parts("snapshots"):
        old.unlink()
    wrong = next(row for row in rows if row["rung"] == "final")
    wrong["digest"] = "0" * 32
    table = type(whole.read_members()).from_pylist(rows)
    store.write_part("snapshots", wrong["group"], 0, chunk, table)
    with pytest.raises(ConfigError, match=wrong["member_id"]) as caught:
        merge([whole, store], Store(tmp_path / "all"))
    assert "final" in str(caught.value)
    assert Store(tmp_path / "all").read_members() is None
    assert path.parent.exists()


def test_differing_versions_are_told(tmp_path: pathlib.Path) -> None:
    stores = run_shards(tmp_path, 2)
    alter(stores[1], versions={"jax": "0"})
    notes = merge(stores, Store(tmp_path / "all"))[1]
    assert ["versions differ" in note for note in notes] == [True]
