"""The engine's promises: a member's bits are its own, and no work is lost."""

import pathlib
from typing import Any

import jax
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from identjax.axes import axis, chain, product, zipped
from identjax.errors import ConfigError
from identjax.store import Store
from identjax.sweep.folder.load import Run
from tests.sweep.harness import (
    SEEDS,
    final_digests,
    loss_curve,
    plan_of,
    prepare_once,
    rows_of,
    train,
    train_until,
)


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Train four members undisturbed."""
    store, counts = train(tmp_path_factory.mktemp("reference"))
    assert counts == {"done": 4}
    return store


@pytest.mark.parametrize(
    "sweep",
    [SEEDS[2:3], SEEDS[::-1], chain(axis("init_seed", [9, 7, 8]), SEEDS, axis("init_seed", [5]))],
    ids=["alone", "reversed", "among others"],
)
def test_bits_do_not_depend_on_company_or_order(
    reference: Store, tmp_path: pathlib.Path, sweep: list[dict[str, Any]]
) -> None:
    expected = final_digests(reference)
    found = final_digests(train(tmp_path, sweep)[0])
    shared = expected.keys() & found.keys()
    assert len(shared) == min(len(sweep), 4)
    assert {i: found[i] for i in shared} == {i: expected[i] for i in shared}


def test_chunk_length_changes_no_result(reference: Store, tmp_path: pathlib.Path) -> None:
    store, _ = train(tmp_path, chunk_steps=2)
    assert rows_of(store, "snapshots") == rows_of(reference, "snapshots")
    assert rows_of(store, "curves") == rows_of(reference, "curves")


@pytest.mark.parametrize("chunks", [0, 1, 2, 3])
def test_a_preempted_run_goes_on_bit_for_bit(
    reference: Store, tmp_path: pathlib.Path, chunks: int
) -> None:
    assert train_until(tmp_path, plan_of(chunk_steps=5), chunks).chunks == chunks + 1
    # The second part uses other chunks, as a user may who resumes on a busier machine.
    store, counts = train(tmp_path, chunk_steps=1)
    assert counts == {"done": 4}
    assert rows_of(store, "snapshots") == rows_of(reference, "snapshots")
    assert rows_of(store, "curves") == rows_of(reference, "curves")


def test_a_run_stopped_between_checks_goes_on_bit_for_bit(
    reference: Store, tmp_path: pathlib.Path
) -> None:
    assert train_until(tmp_path, plan_of(chunk_steps=1), 7).chunks == 8
    store, _ = train(tmp_path, chunk_steps=5)
    assert rows_of(store, "snapshots") == rows_of(reference, "snapshots")


@pytest.mark.parametrize("chunks", [0, 3, 7])
def test_a_run_goes_on_with_fewer_slots_than_it_had(
    reference: Store, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, chunks: int
) -> None:
    plan = plan_of(chunk_steps=2)
    assert len(train_until(tmp_path, plan, chunks).steps_in_slots) == 4
    monkeypatch.setattr(jax, "device_count", lambda: 1)
    fewer = prepare_once(plan.groups[0])
    stopped = train_until(tmp_path, plan, 1, fewer)
    assert (stopped.slots.count, len(stopped.steps_in_slots)) == (2, 4)
    train_until(tmp_path, plan, slots=fewer)
    for kind, named in (("snapshots", 3), ("curves", 3)):
        found, expected = rows_of(Store(tmp_path), kind), rows_of(reference, kind)
        assert [row[:named] for row in found] == [row[:named] for row in expected]
        # Another number of devices is another program, whose bits may differ.
        np.testing.assert_allclose([r[3] for r in found], [r[3] for r in expected], rtol=1e-4)


def test_a_run_killed_before_its_last_table_writes_it_the_next_time(
    tmp_path: pathlib.Path,
) -> None:
    store, _ = train(tmp_path)
    ended = store.read_members()
    at_column = ended.schema.get_field_index("status")
    pending = pa.array(["training"] * ended.num_rows)
    store.write_members(ended.set_column(at_column, "status", pending))
    train(tmp_path)
    assert store.read_members().equals(ended)


def test_slots_are_refilled_when_members_end_at_their_own_times(tmp_path: pathlib.Path) -> None:
    sweep = product(axis("init_seed", range(3)), axis("steps", [5, 12, 20]))
    plan = plan_of(sweep, width=1)
    assert len(plan.groups) == 1
    store, counts = train(tmp_path, sweep, width=1)
    assert counts == {"done": 9}
    members = store.read_members().to_pylist()
    assert {(row["budget"], row["steps"]) for row in members} == {(5, 5), (12, 12), (20, 20)}


def test_slots_are_in_use_while_members_wait(tmp_path: pathlib.Path) -> None:
    # Each wave of four would last as long as its longest member, and stand still for the others.
    sweep = product(axis("init_seed", range(6)), axis("steps", [5, 10, 20, 45]))
    run = train_until(tmp_path, plan_of(sweep))
    assert run.status().taken == 6 * (5 + 10 + 20 + 45)
    assert run.status().utilisation_queued == 1.0
    assert run.status().utilisation >= 0.9
    # A member that ends between two checks leaves its slot idle until the second.
    sweep = product(axis("init_seed", range(6)), axis("steps", [14, 23, 38, 44]))
    run = train_until(tmp_path / "uneven", plan_of(sweep))
    assert 0.9 <= run.status().utilisation_queued < 1.0


def test_one_trace_per_group_whatever_is_swept(tmp_path: pathlib.Path) -> None:
    sweep = product(SEEDS, axis("learning_rate", [0.1, 0.01]), axis("weight_decay", [0.0, 0.1]))
    assert len(plan_of(sweep).groups) == 1
    store, _ = train(tmp_path, sweep)
    events = (store.workdir / "events.jsonl").read_text()
    assert '"traces": 1' in events


def test_a_diverged_member_is_frozen_finite_and_alone(
    reference: Store, tmp_path: pathlib.Path
) -> None:
    sweep = chain(SEEDS, zipped(axis("init_seed", [0, 1]), axis("learning_rate", [1e38, 1e38])))
    store, counts = train(tmp_path, sweep)
    assert counts == {"done": 4, "diverged": 2}
    expected, found = final_digests(reference), final_digests(store)
    assert {i: found[i] for i in expected} == expected
    rows = [row for row in store.read_members().to_pylist() if row["status"] == "diverged"]
    assert {row["cause"] for row in rows} <= {"loss not finite", "update not finite"}
    assert all(row["steps"] < row["budget"] for row in rows)
    ((_, stack),) = Run(tmp_path).predictors("final", [row["member_id"] for row in rows]).values()
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(stack))


def test_a_member_can_stop_at_a_rung(tmp_path: pathlib.Path) -> None:
    store, counts = train(tmp_path, SEEDS[:2], stop_below=1.0, steps=200)
    assert counts == {"saturated": 2}
    assert all(row["steps"] < 200 for row in store.read_members().to_pylist())


def test_rungs_are_crossed_once_with_their_kl_below(tmp_path: pathlib.Path) -> None:
    rungs = (2.0, 1.0, 0.5)
    store, _ = train(tmp_path, SEEDS, rungs=rungs, steps=100, snapshot_steps=(5, 50))
    table = store.read_parts("snapshots")
    rows = [(row["member_id"], row["rung"]) for row in table.to_pylist()]
    assert len(rows) == len(set(rows))
    below = table.filter(pc.is_in(table["rung"], pa_strings("2", "1", "0.5"))).to_pylist()
    assert below
    assert all(row["kl_nats"] < float(row["rung"]) for row in below)
    at_steps = table.filter(pc.is_in(table["rung"], pa_strings("@5", "@50"))).to_pylist()
    assert {(row["rung"], row["step"]) for row in at_steps} == {("@5", 5), ("@50", 50)}
    assert len(at_steps) == 8


def pa_strings(*names: str) -> Any:
    return pc.cast(list(names), "string")


def test_kl_is_never_negative_and_population_loss_never_below_the_floor(
    reference: Store,
) -> None:
    language = Run(reference.workdir).language(plan_of().groups[0].name)
    assert loss_curve(reference, "kl_nats").min() > -1e-5
    # The whole support is the batch here, so the training loss is the population loss.
    floor = language.entropy / language.mean_targets
    assert loss_curve(reference, "loss").min() > floor - 1e-6


def test_snapshots_load_as_the_members_that_were_trained(reference: Store) -> None:
    run = Run(reference.workdir)
    ((group, (ids, stack)),) = run.predictors("final").items()
    tokens, log_p = run.language(group).support()
    table = run.snapshots()
    table = table.filter(pc.equal(table["rung"], "final"))
    trained = dict(zip(table["member_id"].to_pylist(), table["kl_nats"].to_pylist(), strict=True))
    for member_id in ids:
        one = run.predictor(member_id)
        log_q = one.score(tokens)
        picked = np.take_along_axis(np.asarray(log_q[:, :-1]), tokens[:, 1:, None], 2).sum((1, 2))
        kl = float(np.sum(np.exp(log_p) * (log_p - picked)))
        assert kl == pytest.approx(trained[member_id], abs=1e-4)
    assert len(jax.tree.leaves(stack)[0]) == len(ids) == 4
    with pytest.raises(ConfigError, match=f"rung='0.5': one that member {ids[0]} has"):
        run.predictor(ids[0], "0.5")


def test_a_damaged_snapshot_is_left_out_and_named(tmp_path: pathlib.Path) -> None:
    store, _ = train(tmp_path, SEEDS[:2])
    chunk, path = store.parts("snapshots")[-1]
    table = store.read_parts("snapshots")
    rows = table.filter(pc.equal(table["rung"], "final")).to_pylist()
    blob = bytearray(rows[0]["params"])
    blob[0] ^= 1
    rows[0]["params"] = bytes(blob)
    path.unlink()
    store.write_part("snapshots", rows[0]["group"], 0, chunk, type(table).from_pylist(rows))
    run = Run(tmp_path)
    ((ids, _),) = run.predictors("final").values()
    assert ids == [rows[1]["member_id"]]
    assert [(member, rung) for member, rung, _ in run.unusable] == [(rows[0]["member_id"], "final")]


def test_the_member_step_has_no_collectives() -> None:
    text = prepare_once(plan_of().groups[0])._chunk.as_text()
    assert "while" in text
    names = ("all-reduce", "all-gather", "all-to-all", "collective-permute", "reduce-scatter")
    assert [name for name in names if name in text] == []
