"""Evaluation of a run: the tables, what is computed again, and what is not."""

import itertools
import re

import numpy as np
import pytest

from identjax.errors import ConfigError
from identjax.evaluation import measure as measuring
from identjax.evaluation.evaluate import evaluate
from identjax.evaluation.measure import MEASURES
from identjax.evaluation.prompting import Decoding
from identjax.schema import schema_of
from identjax.training.objective import OBJECTIVES
from tests.evaluation.harness import EOS, LAWS, SAY_A, SPLIT, PlantedRun, rows
from tests.planted import LANG
from tests.registries import temporarily

TABLES = ("likelihood", "rules", "completions", "pairwise", "baselines", "sets")
NEXT = ("kl_next", "js_next", "tv_next", "churn", "profile")
TOY = schema_of(member_id=str, rung=str, value=float)
CONCLUDED = schema_of(member_id=str, value=float)
COMPARED = {"id": (*NEXT, "kl_seq", "js_seq", "tv_seq"), "ood": NEXT}


def silent(line):
    del line


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    run = PlantedRun(tmp_path_factory.mktemp("run"))
    evaluate(run, say=silent)
    return run


def test_likelihood_has_one_row_per_member_and_rung(run):
    found = rows(run, "likelihood")
    keys = [(row["member_id"], row["rung"]) for row in found]
    assert sorted(keys) == sorted(itertools.product(LAWS, run.rungs()))
    assert all(0 <= row["kl_nats"] < 1e-6 and row["kl_stderr"] == 0 for row in found)
    assert {row["step"] for row in rows(run, "likelihood", rung="final")} == {10}


def test_rules_have_one_row_per_member_rung_split_and_rule(run):
    found = rows(run, "rules")
    keys = [(row["member_id"], row["rung"], row["split"], row["rule"]) for row in found]
    wanted = itertools.product(LAWS, run.rungs(), ("id", "ood", "bos"), ("R1", "R2", "R2c"))
    assert sorted(keys) == sorted(wanted)
    for row in found:
        assert row["rate"] is None or 0 <= row["rate"] <= 1
        size = len(LANG.prompts(row["split"]).tokens)
        assert row["prompts"] + row["unsatisfiable"] == size
        assert (row["rate"] is None) == (row["prompts"] == 0)


def test_on_the_support_members_are_perfect_and_off_it_as_planted(run):
    assert {row["rate"] for row in rows(run, "rules", split="id")} == {1.0}
    prompts = LANG.prompts("ood").tokens[:, 1:]
    equal = ((prompts == 0).sum(1) == (prompts == 1).sum(1)).mean()
    for member in ("m0", "m1"):
        (row,) = rows(run, "rules", split="ood", rule="R1", member_id=member, rung="final")
        assert row["rate"] * row["prompts"] == pytest.approx(equal * len(prompts))


def test_completions_say_what_was_written(run):
    found = rows(run, "completions", member_id="m0", rung="final", split="ood")
    assert len(found) == len(LANG.prompts("ood").tokens)
    assert {row["completion"] for row in found} == {""}
    on_support = {r["prompt"]: r for r in rows(run, "completions", rung="final", split="id")}
    assert on_support["aaaaabbb"]["completion"] == "bb"
    assert on_support["aaaaabbb"]["finished"]


def test_pairs_are_all_there_once_or_both_ways(run):
    both = list(itertools.permutations(sorted(LAWS), 2))
    once = list(itertools.combinations(sorted(LAWS), 2))
    for rung, (split, measures) in itertools.product(run.rungs(), COMPARED.items()):
        for measure in measures:
            found = rows(run, "pairwise", rung=rung, split=split, measure=measure)
            pairs = sorted((row["member_a"], row["member_b"]) for row in found)
            assert pairs == (both if measure.startswith("kl_") else once)
    assert len(rows(run, "pairwise")) == sum(
        len(run.rungs()) * (12 if m.startswith("kl_") else 6)
        for ms in COMPARED.values()
        for m in ms
    )


def pair(run, measure, split, a, b):
    (row,) = rows(
        run, "pairwise", rung="final", measure=measure, split=split, member_a=a, member_b=b
    )
    return row["value"]


@pytest.mark.parametrize(
    ("measure", "same", "apart"),
    [
        ("kl_next", 0, np.log(2)),
        ("js_next", 0, (np.log(4 / 3) + (np.log(2 / 3) + np.log(2)) / 2) / 2),
        ("tv_next", 0, 0.5),
        # Greedily both say EOS at once.
        ("churn", 0, 0),
    ],
)
def test_members_that_agree_on_the_support_differ_by_what_was_planted(run, measure, same, apart):
    assert pair(run, measure, "ood", "m0", "m1") == pytest.approx(same, abs=1e-6)
    assert pair(run, measure, "ood", "m0", "m2") == pytest.approx(apart, abs=1e-5)
    assert pair(run, measure, "id", "m0", "m2") == pytest.approx(0, abs=1e-6)
    if measure == "kl_next":
        assert pair(run, measure, "ood", "m2", "m0") == np.inf


@pytest.mark.parametrize("measure", ["kl_seq", "js_seq", "tv_seq"])
def test_along_the_support_nothing_differs(run, measure):
    assert pair(run, measure, "id", "m0", "m2") == pytest.approx(0, abs=1e-6)


def test_baselines_stand_beside(run):
    found = {(r["baseline"], r["split"], r["rule"]): r for r in rows(run, "baselines")}
    assert found["truth", "id", "R1"]["rate"] == 1
    assert found["truth", "ood", "R1"]["rate"] is None
    assert "probability zero" in found["truth", "ood", "R1"]["reason"]
    (own,) = rows(run, "rules", split="ood", rule="R1", member_id="m0", rung="final")
    assert found["eos_now", "ood", "R1"]["rate"] == own["rate"]
    assert 0 < found["chance", "ood", "R1"]["rate"] < 1


def test_sets_have_what_was_planted(run):
    def value(measure, split, scope="all"):
        (row,) = rows(run, "sets", rung="final", measure=measure, split=split, scope=scope)
        assert row["members"] == (4 if scope == "all" else 2)
        return row["value"]

    # All say EOS greedily; two laws, one sure of it and one that gives it half: a Z-channel.
    assert value("ambiguity", "ood") == value("discrepancy", "ood") == 0
    assert value("capacity", "ood") == pytest.approx(np.log(5 / 4), abs=2e-4)
    assert value("capacity", "id") == pytest.approx(0, abs=1e-6)
    assert value("capacity", "ood", "even") == pytest.approx(np.log(5 / 4), abs=2e-4)


def test_sets_leave_out_members_that_served_to_select(tmp_path):
    run = PlantedRun(tmp_path, {"m0": EOS, "m1": EOS, "m2": SAY_A}, ["final"])
    run.roles["m2"] = "select"
    evaluate(run, say=silent)
    (row,) = rows(run, "sets", measure="ambiguity", split="ood", scope="all")
    assert (row["value"], row["members"]) == (0, 2)


def test_dynamics_are_measured_at_step_snapshots(tmp_path):
    run = PlantedRun(tmp_path, {"m0": EOS, "m1": SPLIT}, ["0.1", "@5", "@10"], {"m1": 1.0})
    evaluate(run, say=silent)
    found = rows(run, "dynamics")
    assert {row["rung"] for row in found} == {"@5", "@10"}
    for rung, member in itertools.product(("@5", "@10"), ("m0", "m1")):
        own = rows(run, "dynamics", rung=rung, member_id=member)
        assert sum(row["mass"] for row in own) == pytest.approx(1)
        assert sum(row["strings"] or 0 for row in own) == 2 ** (own[0]["longest"] + 1) - 1


def test_a_second_call_loads_nothing_and_changes_nothing(run):
    before = {name: run.evals(name) for name in TABLES}
    stamps = {p: p.stat().st_mtime_ns for p in (run.workdir / "evals").iterdir()}
    loads = run.loads
    outcome = evaluate(run, say=silent)
    assert (outcome.evaluated, outcome.paired, run.loads) == (0, 0, loads)
    assert {name: run.evals(name) for name in TABLES} == before
    assert {p: p.stat().st_mtime_ns for p in (run.workdir / "evals").iterdir()} == stamps


def test_only_new_members_and_rungs_are_evaluated(tmp_path):
    few = {name: LAWS[name] for name in ("m0", "m1")}
    evaluate(PlantedRun(tmp_path, few, rungs=["0.1"]), say=silent)
    grown = PlantedRun(tmp_path, {**few, "m2": SAY_A}, rungs=["0.1"])
    old = grown.evals("likelihood").to_pylist()
    assert evaluate(grown, say=silent).evaluated == 1
    assert grown.evals("likelihood").to_pylist()[: len(old)] == old
    churn = rows(grown, "pairwise", measure="churn", split="ood")
    assert len(churn) == 3
    assert evaluate(grown, say=silent).evaluated == 0
    further = PlantedRun(tmp_path, grown.laws, rungs=["0.1", "final"])
    assert evaluate(further, say=silent).evaluated == 3


def test_rungs_and_splits_can_be_chosen_and_completed_later(tmp_path):
    run = PlantedRun(tmp_path)
    evaluate(run, rungs=["final"], splits=["id"], say=silent)
    assert {(r["rung"], r["split"]) for r in rows(run, "rules")} == {("final", "id")}
    evaluate(run, say=silent)
    whole = {(r, s) for r in run.rungs() for s in ("id", "ood", "bos")}
    assert {(r["rung"], r["split"]) for r in rows(run, "rules")} == whole
    keys = [(r["member_id"], r["rung"], r["split"], r["rule"]) for r in rows(run, "rules")]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize(
    ("decoding", "suffix"),
    [(Decoding(prompt_length=4), "_length4"), (Decoding(seed=1), "_sampled1")],
)
def test_other_decodings_are_ablations(tmp_path, decoding, suffix):
    run = PlantedRun(tmp_path, rungs=["final"])
    evaluate(run, decoding=decoding, say=silent)
    assert all(run.evals(name) is None for name in TABLES)
    found = run.evals(f"ablations/rules{suffix}")
    assert found.num_rows == len(LAWS) * 9
    assert evaluate(run, decoding=decoding, say=silent).evaluated == 0


def test_published_prompts_are_judged_as_an_ablation(tmp_path):
    run = PlantedRun(tmp_path, rungs=["final"])
    evaluate(run, splits=["published_ood"], say=silent)
    assert run.evals("rules") is None
    found = rows(run, "ablations/rules_published", member_id="m0", rule="R1")
    # EOS at once, on the 251 published prompts.
    assert [(r["split"], r["rate"] * r["prompts"]) for r in found] == [("published_ood", 69)]
    assert evaluate(run, splits=["published_ood"], say=silent).evaluated == 0


def test_a_corrupt_snapshot_is_named_and_left_out(tmp_path):
    run = PlantedRun(tmp_path, rungs=["final"])
    run.broken = {"m1"}
    outcome = evaluate(run, say=silent)
    assert outcome.unusable == (("m1", "final", "digest"),)
    assert {r["member_id"] for r in rows(run, "likelihood")} == {"m0", "m2", "m3"}
    assert evaluate(run, say=silent).evaluated == 0


def test_a_half_finished_sweep_is_evaluated_and_counted(tmp_path):
    run = PlantedRun(tmp_path, rungs=["0.1"])
    run.status["m3"] = "training"
    assert evaluate(run, say=silent).unfinished == 1
    assert len(rows(run, "likelihood")) == 4


def test_nothing_to_evaluate_is_said(tmp_path):
    with pytest.raises(ConfigError, match=r"workdir=.*run launch.sweep"):
        evaluate(PlantedRun(tmp_path, rungs=[]), say=silent)


@pytest.mark.parametrize(("field", "value"), [("rungs", "0.2"), ("splits", "odd")])
def test_unknown_names_are_refused(tmp_path, field, value):
    with pytest.raises(ConfigError, match=f"{field}='{value}'"):
        evaluate(PlantedRun(tmp_path), say=silent, **{field: [value]})


def test_a_member_that_left_the_truth_has_its_distance(tmp_path):
    run = PlantedRun(tmp_path, {"m0": SPLIT, "m1": SPLIT}, ["final"], tilts={"m1": 0.5})
    evaluate(run, say=silent)
    near, far = (rows(run, "likelihood", member_id=m)[0]["kl_nats"] for m in ("m0", "m1"))
    assert near < 1e-6 < 0.1 < far < np.inf
    assert pair(run, "kl_seq", "id", "m0", "m1") == pytest.approx(far, rel=1e-4)


def test_prompts_that_some_member_was_taught_are_judged_for_none(tmp_path):
    run = PlantedRun(tmp_path, rungs=("final",))
    evaluate(run, say=silent)
    before = len(rows(run, "completions", split="ood", member_id="m1"))
    run.objectives["m0"] = "oracle"
    said: list[str] = []
    assert evaluate(run, say=said.append).evaluated == len(LAWS)
    taught = {lesson.prompt for lesson in OBJECTIVES["oracle"](LANG)}
    told = f"{len(taught)} of {before} ood prompts are taught by oracle, and judged for no member"
    assert [line for line in said if "taught" in line] == [f"{LANG.name}: {told}"]
    for member in LAWS:
        judged = {row["prompt"] for row in rows(run, "completions", split="ood", member_id=member)}
        assert len(judged) == before - len(taught)
        assert not judged & taught
    for table in ("rules", "baselines"):
        sizes = {
            r["prompts"] + r["unsatisfiable"] for r in rows(run, table, split="ood", rule="R1")
        }
        assert sizes - {0} == {before - len(taught)}
    assert len(rows(run, "pairwise", split="ood", measure="churn")) == 6
    assert evaluate(run, say=silent).evaluated == 0


def test_an_objective_that_is_not_registered_is_refused(tmp_path):
    run = PlantedRun(tmp_path)
    run.objectives["m0"] = "unheard_of"
    with pytest.raises(ConfigError, match="objective='unheard_of'"):
        evaluate(run, say=silent)


def test_measures_can_be_chosen_skipped_and_asked_for_by_the_config(tmp_path):
    run = PlantedRun(tmp_path / "a", rungs=["final"])
    evaluate(run, say=silent, measures=["likelihood"])
    assert [path.stem for path in (run.workdir / "evals").iterdir()] == ["likelihood"]
    evaluate(run, say=silent, skip=["pairwise", "sets", "behaviour"])
    assert run.evals("pairwise") is run.evals("rules") is None
    assert run.evals("baselines").num_rows
    asks = PlantedRun(tmp_path / "b", rungs=["final"])
    asks.sweep = {"settings": {"measures": ["rollouts"]}}
    evaluate(asks, say=silent)
    assert asks.evals("ablations/rollouts").num_rows
    assert asks.evals("rules").num_rows


@pytest.mark.parametrize("field", ["measures", "skip"])
def test_a_measure_that_is_not_registered_is_refused(tmp_path, field):
    with pytest.raises(ConfigError, match=rf"{field}='likelyhood': did you mean 'likelihood'"):
        evaluate(PlantedRun(tmp_path), say=silent, **{field: ["likelyhood"]})


def frail(at):
    """Fail wherever member m2 is among the members."""
    if "m2" in at.ids:
        raise ValueError("no\nsuch thing")
    return {"toy": {"value": np.arange(len(at.ids), dtype=float)}}


def test_a_measure_that_fails_for_one_member_is_named_and_the_others_are_written(tmp_path):
    run, toy = PlantedRun(tmp_path, rungs=["final"]), {"toy": TOY}
    with temporarily(MEASURES):
        measuring.measure("toy", toy, needs="snapshots")(frail)
        outcome = evaluate(run, say=silent)
        assert outcome.failures == ("measure toy, member m2 at rung final: no such thing",)
        assert "lacks 1 of its rows" in outcome.describe(run.workdir)[-1]
        assert {row["member_id"] for row in rows(run, "toy")} == {"m0", "m1", "m3"}
        assert len(rows(run, "likelihood")) == len(LAWS)
        # What failed is tried again, and nothing else is.
        loads = run.loads
        assert evaluate(run, say=silent).evaluated == 1
        assert run.loads == loads + 1


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"toy": {"value": ["much"] * 2}}, "column value='values of type str'.*value: double"),
        ({"toy": {"size": [1.0] * 2}}, "column value='nothing'"),
        ({"toy": {"value": [1.0] * 2, "size": [1.0] * 2}}, "'size'.*member_id, rung, value"),
        ({"toys": {"value": [1.0] * 2}}, "table='toys': did you mean 'toy'"),
        ({"toy": {"value": [1.0] * 3}}, "column member_id='1 of 3 rows'"),
    ],
)
def test_rows_off_the_declared_columns_are_named(tmp_path, given, said):
    run = PlantedRun(tmp_path, {"m0": EOS}, rungs=["final"])
    with temporarily(MEASURES):
        measuring.measure("toy", {"toy": TOY}, needs="snapshots")(lambda at: given)
        (line,) = evaluate(run, say=silent, measures=["toy"]).failures
    assert line.startswith("measure toy, member m0 at rung final: table")
    assert re.search(said, line)


def test_conclusions_follow_all_that_stands_and_replace_those_of_before(tmp_path):
    run, seen = PlantedRun(tmp_path, {"m0": EOS, "m1": EOS}, rungs=["final"]), []

    def conclude(at):
        seen.append(at.table("likelihood").num_rows)
        return {"toy": {"member_id": [m["member_id"] for m in at.members], "value": seen[-1] * 1.0}}

    with temporarily(MEASURES):
        measuring.measure("toy", {"toy": CONCLUDED}, needs="sweep")(conclude)
        evaluate(run, say=silent)
        grown = PlantedRun(tmp_path, {**run.laws, "m2": SAY_A}, rungs=["final"])
        evaluate(grown, say=silent)
    assert seen == [2, 3]
    assert {r["member_id"]: r["value"] for r in rows(grown, "toy")} == dict.fromkeys(grown.laws, 3)


def test_what_costs_much_is_measured_where_members_are_compared(tmp_path):
    run = PlantedRun(tmp_path, rungs=("0.1", "0.01", "final"))
    with temporarily(MEASURES):

        @measuring.measure("dear", {"dear": TOY}, needs="snapshots", at="compared")
        def count_members(at):
            return {"dear": {"value": 1.0}}

        evaluate(run, say=silent, measures=["likelihood", "dear"])
        assert {row["rung"] for row in rows(run, "dear")} == {"0.01"}
        assert len(rows(run, "dear")) == len(LAWS)


def test_a_measure_is_made_at_all_rungs_or_at_one():
    with pytest.raises(AssertionError, match="all, compared"):
        measuring.measure("odd", {"odd": TOY}, needs="snapshots", at="somewhere")(silent)
