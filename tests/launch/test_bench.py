"""The bench: ratios are taken round by round, peers do the same work, results say everything."""

import importlib
import json
import os
import pathlib
import re
import subprocess
import sys
from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from identjax.evaluation.completions import complete_members
from identjax.evaluation.divergences import measure_divergences
from identjax.sweep.plan.request import import_source
from launch.benchmarks import machine, outcome
from launch.benchmarks.flops import count_flops, sum_over_lengths
from launch.benchmarks.peers import TRAINERS, flax_runs, rerun
from launch.benchmarks.peers.pairs import compare_pair
from launch.benchmarks.setups import LeftOut, Setup, load_setup, stack_members
from launch.benchmarks.suites import SUITES
from launch.benchmarks.suites.options import Options, read_counts
from launch.benchmarks.suites.train import SMALL, count_least
from launch.benchmarks.timing import Case, Contest, Effort, compete

ROOT = pathlib.Path(__file__).parent.parent.parent
TRIAL = Effort(rounds=2, least_seconds=0.0, smoke=True)


@pytest.fixture(scope="module")
def small() -> Setup:
    """Configuration S, shrunk."""
    return load_setup("s", 2, max_length=8, batch=4, model={"transformer": SMALL})


def drift() -> tuple[Callable[[str, float], Case], Callable[[], float], list[str]]:
    """Make cases that take a fixed time on a clock that slows down from call to call."""
    now, calls = [0.0], []

    def make(name: str, takes: float) -> Case:
        def call() -> None:
            calls.append(name)
            now[0] += takes * 2 ** ((len(calls) - 1) // 2)

        return Case(name, call, units=1)

    return make, lambda: now[0], calls


def test_cases_alternate_and_ratios_are_taken_within_a_round() -> None:
    make, clock, calls = drift()
    effort = Effort(rounds=3, least_seconds=0.0, smoke=True)
    contest = compete("c", "call", [make("A", 1.0), make("B", 3.0)], effort, clock=clock)
    assert calls == list("AABB" + "ABABAB")
    assert contest.reference == "A"
    # The machine halves its speed from round to round, and no ratio is touched by it.
    assert contest.seconds["A"].rounds == (4.0, 8.0, 16.0)
    assert contest.ratio("B").rounds == (3.0, 3.0, 3.0)
    assert contest.ratio("B").as_json() == {"median": 3, "min": 3, "max": 3, "rounds": [3, 3, 3]}


def test_short_calls_are_repeated_and_time_is_per_unit() -> None:
    now = [0.0]

    def call() -> None:
        now[0] += 0.5

    effort = Effort(rounds=1, least_seconds=2.0, smoke=False)
    contest = compete("c", "u", [Case("A", call, units=10)], effort, clock=lambda: now[0])
    assert now[0] == (2 + 4) * 0.5
    assert contest.seconds["A"].rounds == (0.05,)


def test_claims_are_judged_at_full_scale_only() -> None:
    make, clock, _ = drift()
    contest = compete("c", "call", [make("A", 1.0), make("B", 3.0)], TRIAL, clock=clock)
    contest.claim("fast", contest.ratio("B"), 2.0)
    contest.claim("slow", contest.ratio("B"), 2.0, at_most=True)
    told = [[c["verdict"] for c in outcome.as_json(contest, s)["claims"]] for s in (True, False)]
    assert told == [["not judged at this scale"] * 2, ["met", "missed"]]


def options_for(suite: str, told: list[Contest]) -> Options:
    peers = [name for name in TRAINERS if name.startswith("jax")]
    ceiling = machine.measure_ceiling(TRIAL)
    return Options(TRIAL, "s", read_counts(["2", "3"]), peers, ceiling, told.append)


def numbers(value: object) -> Iterator[float]:
    if isinstance(value, dict):
        yield from (x for part in value.values() for x in numbers(part))
    elif isinstance(value, list):
        yield from (x for part in value for x in numbers(part))
    elif isinstance(value, float):
        yield value


@pytest.mark.parametrize(
    "suite",
    [name if name == "pairwise" else pytest.param(name, marks=pytest.mark.slow) for name in SUITES],
)
def test_a_trial_of_each_suite_gives_a_file_with_every_round(
    suite: str, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told: list[Contest] = []
    options = options_for(suite, told)
    found = [options.ceiling, *SUITES[suite](options)]
    assert found[1:] == told
    facts = {"command": "…", "scale": "smoke", "rounds": 2, "device": machine.describe_device()}
    path = outcome.write(tmp_path, suite, facts | {"versions": machine.describe_versions()}, found)
    assert (path.name, list(tmp_path.iterdir())) == (f"{suite}-cpu.json", [path])
    written = json.loads(path.read_text())
    assert written["device"]["count"] == 2
    assert written["versions"]["jax"] == jax.__version__
    assert not re.search(r"20\d\d-\d\d-\d\d", path.read_text()), "results carry no date"
    assert all(np.isfinite(list(numbers(written))))
    for contest in written["contests"][1:]:
        cases = contest["cases"]
        reference = cases[contest["reference"]]["seconds_per_unit"]["rounds"]
        for case in cases.values():
            own = case["seconds_per_unit"]["rounds"]
            assert case["ratio"]["rounds"] == pytest.approx(np.divide(own, reference).tolist())
            assert len(own) == 2
        assert {claim["verdict"] for claim in contest["claims"]} <= {"not judged at this scale"}
    for contest in found:
        outcome.show(contest, smoke=True)
        printed = capsys.readouterr().out
        assert [name for name in contest.seconds if name not in printed] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", TRAINERS)
def test_peers_train_a_net_of_the_same_size(small: Setup, name: str) -> None:
    if "torch" in name:
        pytest.importorskip("torch")
    case = TRAINERS[name](small, 2)
    assert case.facts["parameters"] == small.parameter_count
    assert case.units == case.facts["members"] * 2


def test_a_peer_without_torch_says_how_to_get_it(
    small: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(LeftOut, match="pip install"):
        TRAINERS["torch"](small, 1)


def test_the_plain_jax_peer_has_the_same_parameters(small: Setup) -> None:
    params = jax.eval_shape(flax_runs.Run(small, 1).init, jax.random.key(0))[0]
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == small.parameter_count


@pytest.mark.slow
def test_the_plain_jax_peer_learns(small: Setup) -> None:
    run = flax_runs.Run(small, 60)
    state = jax.jit(run.init)(jax.random.key(0))
    before = run.loss(state[0], jax.random.key(1))
    after = run.loss(jax.jit(run.advance)(state)[0], jax.random.key(1))
    assert after < before


def test_generation_without_a_cache_gives_the_same_tokens(small: Setup) -> None:
    stack = stack_members(small.model, 2)
    prompts = small.language.prompts("ood", length=3).tokens
    one = jax.tree.map(lambda leaf: leaf[1], stack)
    np.testing.assert_array_equal(
        rerun.complete_in_jax(one, prompts), complete_members(stack, prompts).tokens[1]
    )


def test_a_pair_compared_alone_agrees_with_all_pairs() -> None:
    log_p = np.log(np.random.default_rng(0).dirichlet(np.ones(3), (2, 5)))
    log_p = np.concatenate([log_p, np.full((2, 5, 1), -np.inf)], -1)
    weights = np.full(5, 0.2)
    found = measure_divergences(log_p, weights)
    expected = (found.kl[0, 1], found.kl[1, 0], found.js[0, 1], found.tv[0, 1])
    assert compare_pair(*log_p, weights) == pytest.approx(expected, rel=1e-4)


def test_operations_are_counted_through_loops_and_vmap() -> None:
    a, b = jnp.ones((2, 3)), jnp.ones((3, 5))
    assert count_flops(jnp.matmul, a, b) == 2 * 2 * 3 * 5
    assert count_flops(jax.vmap(jnp.matmul, (0, None)), jnp.ones((7, 2, 3)), b) == 7 * 60

    def repeat(x: jax.Array) -> jax.Array:
        return jax.lax.fori_loop(0, 4, lambda _, y: y @ x, x)

    assert count_flops(repeat, jnp.ones((3, 3))) == 4 * 2 * 27
    with pytest.raises(ValueError, match="fixed length"):
        count_flops(lambda n: jax.lax.fori_loop(0, n, lambda _, y: y @ y, jnp.ones((3, 3))), 2)


def test_the_least_work_of_strings_is_that_of_each_alone(small: Setup) -> None:
    lengths = np.array([2, 5, 9, 9])
    assert sum_over_lengths(lambda n: 3 * n * n - n + 4, lengths) == sum(
        3 * n * n - n + 4 for n in lengths
    )
    params = jax.eval_shape(small.model.init, jax.random.key(0))
    gradient = jax.grad(lambda p, tokens: small.model.logits(p, tokens).sum())
    each = [jax.ShapeDtypeStruct((1, 2 * n + 1), np.int32) for n in range(1, 5)]
    alone = sum(count_flops(gradient, params, tokens) for tokens in each)
    assert count_least(small) == pytest.approx(alone)


@pytest.mark.parametrize("size", ["s", "p"])
def test_the_one_check_of_a_bench_configuration_is_at_its_end(size: str) -> None:
    config = import_source(str(ROOT / "configs" / "bench.py")).get_config(size)
    config.steps = 7
    assert config.check_every == 7
    member = load_setup(size, 3).member
    assert (member.check_every, member.dropout, member.optimizer) == (member.steps, 0.1, "adamw")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--suite=trian"], ["suite='trian'", "did you mean 'train'"]),
        (["--members=64,0"], ["members", "1 or more"]),
    ],
)
def test_bad_usage_is_one_line_and_exit_2(args: list[str], words: list[str]) -> None:
    found = subprocess.run(
        [sys.executable, "-m", "launch.bench", *args],
        cwd=ROOT,
        env={**os.environ, "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (found.returncode, len(found.stderr.strip().splitlines())) == (2, 1), found.stderr
    assert all(word in found.stderr for word in words)
