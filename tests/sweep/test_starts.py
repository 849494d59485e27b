"""Sweeps that start from another sweep's snapshots, changed in ways that keep the function."""

import pathlib
import shutil
from typing import Any

import jax
import numpy as np
import pyarrow.compute as pc
import pytest

from identjax.axes import axis, chain, product
from identjax.errors import ConfigError
from identjax.sweep.folder.load import Run
from identjax.sweep.plan import starts
from identjax.sweep.plan.groups import Plan, make_plan
from identjax.sweep.plan.starts import Starts
from identjax.training.precision import PRECISIONS
from tests.sweep.harness import CONFIG, final_digests, rows_of, train, train_until
from tests.sweep.sources import plant_source

TINY = CONFIG | {
    "architecture": "transformer",
    "model": {"transformer": {"d_model": 4, "heads": 2, "layers": 1, "ff": 8}},
}
FINE = TINY | {
    "language": "anbnan",
    "optimizer": "sgd",
    "schedule": "constant",
    "clip": 0.0,
    "warmup": 0,
}
ALPHAS = [0.25, 1.0, 4.0]
CHANGES = chain(
    product(axis("change", ["rescale"]), axis("alpha", ALPHAS)),
    product(axis("change", ["permute"]), axis("change_seed", [1, 2])),
)
SEEDS = axis("init_seed", range(2))


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    workdir = tmp_path_factory.mktemp("source")
    plan = make_plan(TINY, axis("init_seed", range(3)))
    plant_source(workdir, plan)
    return workdir


def from_(workdir: pathlib.Path, rung: str = "0.1", **more: Any) -> dict[str, Any]:
    return {"start_from": {"workdir": str(workdir), "rung": rung, **more}}


def plan_from(workdir: pathlib.Path, **changes: Any) -> Plan:
    return make_plan(FINE | from_(workdir) | changes, product(CHANGES, SEEDS))


@pytest.fixture(scope="module")
def tuned(source: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Train ten members from two starts undisturbed."""
    changes = FINE | from_(source)
    store, counts = train(tmp_path_factory.mktemp("tuned"), product(CHANGES, SEEDS), **changes)
    assert counts == {"done": 10}
    assert '"traces": 1' in (store.workdir / "events.jsonl").read_text()
    return Run(str(store.workdir))


def curve(run: Run, metric: str, step: int) -> dict[str, float]:
    table = run.curves()
    rows = table.filter((pc.field("metric") == metric) & (pc.field("step") == step))
    return dict(zip(rows["member_id"].to_pylist(), rows["value"].to_pylist(), strict=True))


def test_members_record_their_start_and_begin_as_the_same_function(
    source: pathlib.Path, tuned: Run
) -> None:
    theirs = {row["init_seed"]: row for row in Run(str(source)).members().to_pylist()}
    for row in tuned.members().to_pylist():
        assert row["start_member"] == theirs[row["init_seed"]]["member_id"]
        assert row["start_rung"] == "0.1"
    assert {metric for metric in tuned.curves()["metric"].to_pylist() if "start" in metric} == set()
    kl = curve(tuned, "kl_nats", 0)
    for seed in range(2):
        own = [kl[r["member_id"]] for r in tuned.members().to_pylist() if r["init_seed"] == seed]
        assert np.ptp(own) < 1e-4 < min(own)


def test_a_folder_tells_how_far_its_members_begin_from_their_source(
    source: pathlib.Path, tuned: Run
) -> None:
    settings = FINE | from_(source) | {"precision": "float64"}
    double = make_plan(settings, product(CHANGES, SEEDS)).members
    members = [tuned.member(one) for one in tuned.members()["member_id"].to_pylist()]
    for own, least in (members, 1e-12), (double, 0.0):
        drifts = Starts(from_(source)["start_from"]).measure(own)
        assert drifts.keys() == {member.member_id for member in own}
        assert least < max(drift.logits for drift in drifts.values()) < starts.TOLERANCE
        assert max(abs(drift.kl_nats) for drift in drifts.values()) < 1e-6


def test_a_rescale_changes_what_sgd_makes_of_a_start_and_a_permutation_does_not(
    tuned: Run,
) -> None:
    kl = curve(tuned, "kl_nats", 20)
    rows = [row for row in tuned.members().to_pylist() if row["init_seed"] == 0]
    of = {(row["change"], row["alpha"], row["change_seed"]): kl[row["member_id"]] for row in rows}
    plain = of["rescale", 1.0, 0]
    assert all(abs(of["permute", 1.0, s] / plain - 1) < 1e-4 for s in (1, 2))
    assert all(abs(of["rescale", alpha, 0] / plain - 1) > 1e-3 for alpha in (0.25, 4.0))


# Steps so large that what is rounded away in one is seen after a few more.
WILD: dict[str, Any] = {
    "learning_rate": 0.5,
    "momentum": 0.9,
    "clip": 1.0,
    "steps": 40,
    "precision": "float64",
}


@pytest.fixture(scope="module")
def double(source: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Train the ten members in double precision."""
    changes = FINE | from_(source) | WILD
    store, _ = train(tmp_path_factory.mktemp("double"), product(CHANGES, SEEDS), **changes)
    return Run(str(store.workdir))


def test_in_double_precision_a_permutation_moves_nothing_at_a_large_rate_either(
    double: Run,
) -> None:
    kl, rows = curve(double, "kl_nats", 40), double.members().to_pylist()
    of = {(r["init_seed"], r["change"], r["alpha"], r["change_seed"]): r for r in rows}
    loss = {key: kl[row["member_id"]] for key, row in of.items()}
    for seed in range(2):
        plain = loss[seed, "rescale", 1.0, 0]
        # In single precision, this is between a thousandth and a hundredth.
        assert all(abs(loss[seed, "permute", 1.0, s] / plain - 1) < 1e-6 for s in (1, 2))
        assert all(abs(loss[seed, "rescale", a, 0] / plain - 1) > 0.05 for a in (0.25, 4.0))


def test_double_precision_is_saved_whole_and_its_snapshots_are_read_as_any_others(
    source: pathlib.Path, double: Run, tmp_path: pathlib.Path
) -> None:
    train_until(tmp_path, plan_from(source, **WILD), 2)
    store, counts = train(tmp_path, product(CHANGES, SEEDS), **(FINE | from_(source) | WILD))
    assert counts == {"done": 10}
    assert final_digests(store) == final_digests(double.store)
    assert rows_of(store, "curves") == rows_of(double.store, "curves")
    stacks = double.predictors("final")
    assert sum(len(ids) for ids, _ in stacks.values()) == 10
    assert not double.unusable


def test_snapshots_are_read_alike_in_the_scope_of_double_precision(tmp_path: pathlib.Path) -> None:
    plant_source(tmp_path, make_plan(CONFIG | {"architecture": "mamba"}, SEEDS))
    run = Run(str(tmp_path))
    with PRECISIONS["float64"].enabled():
        ((_, stack),) = run.predictors("0.1").values()
    assert not run.unusable
    assert {leaf.dtype.name for leaf in jax.tree.leaves(stack)} == {"float32"}


def test_identity_is_that_of_the_parameters_and_not_of_the_folder(
    source: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    moved = shutil.copytree(source, tmp_path / "moved")
    here, there = plan_from(source), plan_from(moved)
    assert [m.member_id for m in here.members] == [m.member_id for m in there.members]
    plant_source(tmp_path / "other", make_plan(TINY, SEEDS), shift=5)
    other = plan_from(tmp_path / "other")
    assert {m.start_member for m in other.members} == {m.start_member for m in here.members}
    assert not {m.member_id for m in other.members} & {m.member_id for m in here.members}
    drawn = make_plan(FINE, SEEDS)
    assert not {m.member_id for m in drawn.members} & {m.member_id for m in here.members}
    assert {m.group for m in drawn.members} == {m.group for m in here.members}


@pytest.mark.parametrize("chunks", [0, 2])
def test_a_preempted_run_goes_on_bit_for_bit(
    source: pathlib.Path, tuned: Run, tmp_path: pathlib.Path, chunks: int
) -> None:
    assert train_until(tmp_path, plan_from(source, chunk_steps=5), chunks)
    changes = FINE | from_(source) | {"chunk_steps": 1}
    store, counts = train(tmp_path, product(CHANGES, SEEDS), **changes)
    assert counts == {"done": 10}
    assert final_digests(store) == final_digests(tuned.store)
    assert rows_of(store, "curves") == rows_of(tuned.store, "curves")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"start_from": {"workdir": "nowhere", "rung": "0.1"}}, ["start_from.workdir", "nowhere"]),
        ({"start_from": {"workdir": "nowhere"}}, ["start_from.rung"]),
        ({"start_from": {"workdr": "x"}}, ["workdr", "did you mean 'workdir'"]),
        ({"start_from": None, "change": "rescale", "alpha": 2.0}, ["start_from=None", "workdir"]),
        ({"rung": "0.01"}, ["start_from.rung='0.01'", "0.1"]),
        ({"where": {"init_seed": 7}}, ["start_from.where.init_seed=7", "0, 1, 2"]),
        ({"where": {"architectur": 7}}, ["'architectur'", "did you mean 'architecture'"]),
        ({"architecture": "lstm"}, ["architecture='lstm'", "transformer"]),
        ({"model": {"transformer": {"d_model": 8}}}, ["model=", "'d_model': 4"]),
        ({"init_seed": 9}, ["init_seed=9", "0, 1, 2"]),
        ({"language": "L5"}, ["language='L5'", "a b"]),
        ({"change": "rescale", "alpha": 0.0}, ["alpha=0.0", "above 0"]),
        ({"change": "permute", "dropout": 0.1}, ["dropout=0.1", "permute"]),
    ],
    ids=str,
)
def test_a_start_that_does_not_fit_is_refused_by_name(
    source: pathlib.Path, changes: dict[str, Any], words: list[str]
) -> None:
    start = {k: changes[k] for k in ("rung", "where") if k in changes}
    others = {k: v for k, v in changes.items() if k not in start}
    with pytest.raises(ConfigError) as caught:
        make_plan(FINE | from_(source, **start) | others, [{}])
    assert [word for word in words if word not in str(caught.value)] == []


def test_tables_for_another_length_and_a_rung_not_reached_are_refused(
    tmp_path: pathlib.Path,
) -> None:
    learned = {"transformer": TINY["model"]["transformer"] | {"positions": "learned"}}
    base = TINY | {"model": learned}
    plan = make_plan(base, SEEDS)
    store = plant_source(tmp_path, plan)
    assert make_plan(base | from_(tmp_path), SEEDS).members[0].start_digest
    with pytest.raises(ConfigError, match="max_length=8: 6 as in the source"):
        make_plan(base | from_(tmp_path) | {"max_length": 8}, SEEDS)
    table = store.read_parts("snapshots")
    store.write_part("snapshots", plan.groups[0].name, 0, 1, table[:1])
    with pytest.raises(ConfigError, match=r"start_from.rung='0.1'.*init_seed"):
        make_plan(base | from_(tmp_path), SEEDS)


def test_a_start_that_is_another_function_is_refused(
    source: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (group,) = plan_from(source).groups
    monkeypatch.setattr(starts, "TOLERANCE", 1e-12)
    with pytest.raises(ConfigError, match="logits within 1e-12"):
        group.starts.measure(group.members)
