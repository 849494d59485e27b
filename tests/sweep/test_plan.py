"""A config becomes members and groups, or one clear line before anything is compiled."""

import dataclasses
import pathlib
from typing import Any

import pytest

from identjax.axes import axis, chain, product, zipped
from identjax.errors import ConfigError
from identjax.models.model import MODELS
from identjax.sweep.plan.groups import Devices, RunSettings, choose_width, make_plan
from identjax.training.member import KINDS, Gated, Member, Static, fields_of, resolve
from tests.sweep.harness import CONFIG, SEEDS, plan_of, train


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"learning_rat": 0.1}, ["learning_rat", "did you mean 'learning_rate'"]),
        ({"language": "L33"}, ["language='L33'", "did you mean 'L3'"]),
        ({"architecture": "lstn"}, ["architecture='lstn'", "did you mean 'lstm'"]),
        ({"model": {"lstn": {}}}, ["lstn", "did you mean 'lstm'"]),
        ({"model": {"lstm": {"hiden": 4}}}, ["hiden", "hidden"]),
        ({"model": {"lstm": {"hidden": 0}}}, ["hidden=0", "at least 1"]),
        ({"preset": "large"}, ["preset='large'", "small"]),
        ({"optimizer": "adamww"}, ["optimizer='adamww'", "did you mean 'adamw'"]),
        ({"schedule": "cosin"}, ["schedule='cosin'", "did you mean 'cosine'"]),
        ({"objective": "mlee"}, ["objective='mlee'", "did you mean 'mle'"]),
        ({"learning_rate": -1.0}, ["learning_rate=-1.0", "above 0"]),
        ({"learning_rate": float("nan")}, ["learning_rate=nan", "finite"]),
        ({"weight_decay": -0.1}, ["weight_decay=-0.1", "0 or more"]),
        ({"dropout": 1.0}, ["dropout=1.0", "below 1"]),
        ({"dropout": -0.1}, ["dropout=-0.1", "0 or more"]),
        ({"steps": 0}, ["steps=0", "1 or more"]),
        ({"steps": 2.5}, ["steps=2.5", "int"]),
        ({"data_seed": -1}, ["data_seed=-1"]),
        ({"max_length": 1}, ["max_length=1"]),
        ({"batching": "all"}, ["batching='all'", "support"]),
        ({"rungs": (1.0, -1.0)}, ["rungs", "above 0"]),
        ({"rungs": (1.0, "x")}, ["rungs", "numbers"]),
        ({"snapshot_steps": (7,)}, ["snapshot_steps=7", "check_every"]),
        ({"width": -1}, ["width=-1", "0 or more"]),
    ],
)
def test_bad_settings_are_named_with_what_is_allowed(
    change: dict[str, Any], words: list[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        make_plan(CONFIG | change, SEEDS)
    assert [word for word in words if word not in str(caught.value)] == []
    assert "\n" not in str(caught.value)


def test_heads_must_divide_the_width() -> None:
    change = {"architecture": "transformer", "model": {"transformer": {"d_model": 8, "heads": 3}}}
    with pytest.raises(ConfigError, match="heads=3"):
        make_plan(CONFIG | change, SEEDS)


def test_an_empty_sweep_is_refused() -> None:
    with pytest.raises(ConfigError, match="sweep"):
        make_plan(CONFIG, [])


def test_axes_combine() -> None:
    both = product(axis("a", [1, 2]), chain(axis("b", [3]), axis("b", [4])))
    assert both == [{"a": 1, "b": 3}, {"a": 1, "b": 4}, {"a": 2, "b": 3}, {"a": 2, "b": 4}]
    assert zipped(axis("a", [1, 2]), axis("b", [3, 4])) == [{"a": 1, "b": 3}, {"a": 2, "b": 4}]
    with pytest.raises(ConfigError, match="one length"):
        zipped(axis("a", [1]), axis("b", [1, 2]))
    with pytest.raises(ConfigError, match="each field"):
        product(axis("a", [1]), axis("a", [2]))


def test_every_field_says_how_it_enters_the_program() -> None:
    assert set(KINDS) == set(vars(Member()))
    assert set(KINDS.values()) == {"static", "swept", "gated", "origin", "tag"}


def test_swept_fields_share_a_group_and_static_ones_part_it() -> None:
    base = resolve({"language": "L3", "max_length": 6})
    other = {"int": 7, "float": 0.25}
    for name in fields_of("swept"):
        changed = resolve(
            {"language": "L3", "max_length": 6, name: other[type(getattr(base, name)).__name__]}
        )
        assert (changed.group, changed.member_id != base.member_id) == (base.group, True), name
    for change in ({"optimizer": "sgd"}, {"max_length": 8}, {"dropout": 0.1}, {"clip": 0.0}):
        assert resolve({"language": "L3", "max_length": 6, **change}).group != base.group
    rates = {resolve({"language": "L3", "dropout": rate}).group for rate in (0.1, 0.2, 0.3)}
    assert len(rates) == 1


def test_a_member_is_known_by_what_it_is_and_not_by_its_tags() -> None:
    spelt = resolve({"language": "anbn", "max_length": 6, "preset": "small", "role": "select"})
    assert spelt.member_id == resolve({"language": "L3", "max_length": 6.0}).member_id


def test_a_new_field_with_a_default_changes_no_id_and_no_group(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Wider(Member):
        gate: Gated[float] = 0.0
        shape: Static[str] = "round"

    sweep = product(SEEDS[:2], axis("architecture", ["lstm", "gru"]), axis("dropout", [0.0, 0.1]))
    members = plan_of(sweep).members
    for name, kind in ("gate", "gated"), ("shape", "static"):
        monkeypatch.setitem(KINDS, name, kind)
    wider = [Wider(**vars(dataclasses.replace(member))) for member in members]
    assert [(m.member_id, m.group) for m in wider] == [(m.member_id, m.group) for m in members]
    for change in ({"gate": 0.5}, {"shape": "flat"}):
        other = dataclasses.replace(wider[0], **change)
        assert (other.member_id, other.group) not in [(m.member_id, m.group) for m in members]
        assert other.group != members[0].group


def test_what_a_model_takes_by_default_is_no_part_of_an_id() -> None:
    (member,) = plan_of([{}]).members
    assert set(member.model) > {"hidden", "embedding"}
    plain = {f.name: f.default for f in dataclasses.fields(MODELS["lstm"])}
    fewer = {name: value for name, value in member.model.items() if value != plain[name]}
    assert fewer.keys() < member.model.keys()
    assert dataclasses.replace(member, model=fewer).member_id == member.member_id
    assert dataclasses.replace(member, model=fewer | {"hidden": 5}).member_id != member.member_id


def test_the_command_line_wins_over_axes_and_twins_are_one() -> None:
    sweep = product(SEEDS, axis("learning_rate", [0.1, 0.2]))
    plan = make_plan(CONFIG | {"learning_rate": 0.3}, sweep, overrides={"learning_rate": 0.3})
    assert len(plan.members) == 4
    assert {member.learning_rate for member in plan.members} == {0.3}


MIB = 2**20


@pytest.mark.parametrize(
    ("members", "devices", "slot_mib", "width"),
    [
        (1, 2, 0.1, 1),
        (16, 2, 0.1, 8),
        (17, 2, 0.1, 16),
        (10_000, 2, 0.1, 16),
        (10_000, 2, 0.7, 8),
        (10_000, 2, 2.5, 2),
        (10_000, 2, 1000.0, 1),
    ],
)
def test_the_width_is_a_power_of_two_capped_by_the_working_set(
    members: int, devices: int, slot_mib: float, width: int
) -> None:
    assert choose_width(members, slot_mib * MIB, Devices(devices, "cpu", 2**34)) == width


def test_the_width_on_an_accelerator_is_capped_by_its_memory() -> None:
    memories = [choose_width(4096, 10 * MIB, Devices(1, "gpu", g * 2**30)) for g in (1, 4, 40)]
    assert memories == [32, 128, 512]
    assert choose_width(4096, 2**30, Devices(1, "gpu", 2**30)) == 1


def test_what_a_step_holds_does_not_depend_on_swept_values_and_grows_with_the_batch() -> None:
    small, same, large = (
        make_plan({"architecture": "lstm", "width": 1, "max_length": 6}, [change])
        .groups[0]
        .step_bytes
        for change in ({}, {"learning_rate": 0.5, "init_seed": 3}, {"max_length": 12})
    )
    assert small == same < large


def test_rungs_are_put_in_order() -> None:
    plan = plan_of(rungs=(0.1, 1.0, 0.3))
    assert plan.settings.rungs == (1.0, 0.3, 0.1)
    assert plan_of().settings == RunSettings(rungs=(1.0, 0.5), width=2, save_seconds=0.0)


def test_a_done_sweep_is_left_as_it_is(tmp_path: pathlib.Path) -> None:
    store, _ = train(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    _, counts = train(tmp_path)
    after = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    lock = store.workdir / "lock"
    assert counts == {"done": 4}
    assert {k: v for k, v in after.items() if k != lock} == {
        k: v for k, v in before.items() if k != lock
    }


def test_a_superset_extends_and_keeps_what_there_is(tmp_path: pathlib.Path) -> None:
    store, _ = train(tmp_path, SEEDS[:2])
    before = store.read_parts("snapshots").to_pylist()
    _, counts = train(tmp_path, chain(SEEDS, axis("optimizer", ["sgd"])))
    assert counts == {"done": 5}
    after = store.read_parts("snapshots").to_pylist()
    assert [row for row in after if row in before] == before
    assert store.read_members().num_rows == 5


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"learning_rate": 0.5}, ["learning_rate=0.5", "0.05"]),
        ({"max_length": 8}, ["max_length=8", "6"]),
        ({"rungs": (1.0,)}, ["rungs", "0.5"]),
        ({"width": 1}, ["width=1", "2"]),
    ],
)
def test_another_sweep_is_refused_by_field(
    tmp_path: pathlib.Path, change: dict[str, Any], words: list[str]
) -> None:
    store, _ = train(tmp_path)
    before = store.read_members()
    with pytest.raises(ConfigError) as caught:
        train(tmp_path, **change)
    assert [word for word in words if word not in str(caught.value)] == []
    assert store.read_members() == before
