"""Architectures: a training step and a generated token, of one member and of many."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import PartitionSpec

from identjax.models.model import MODELS, Learner, Model
from identjax.predictor import score_by_scan
from identjax.stacks import member_mesh
from identjax.sweep.engine.slots import Slots
from identjax.training.step import TrainState, hyper_of, make_trainer
from launch.benchmarks.setups import Setup, load_setup, stack_members
from launch.benchmarks.suites.options import Options
from launch.benchmarks.suites.train import FOREVER, train_members
from launch.benchmarks.timing import Case, Contest, compete

ALONE = "one at a time"
MANY = (16, 256)
# The form that is not chosen must not be faster; within so much the two are equal.
TIE = 0.95


def measure(options: Options) -> list[Contest]:
    """Go through the registered architectures, each at its small preset."""
    names = options.choose(MODELS, options.effort.pick(tuple(MODELS), ("lstm",)))
    found = []
    for name in names:
        found += [train_one_and_many(options, name), generate_one_and_many(options, name)]
        found += [compare_forms(options, name, length) for length in lengths(options)]
    return found


def lengths(options: Options) -> tuple[int, ...]:
    """Give the maximum lengths at which the two forms are compared."""
    return tuple(options.effort.pick((32, 256), (6,)))


def make_setup(options: Options, name: str, members: int) -> Setup:
    """Give members on a^n b^n without dropout."""
    length = lengths(options)[0]
    changes = {"architecture": name, "preset": "small", "model": {}, "dropout": 0.0}
    return load_setup("s", members, max_length=length, steps=FOREVER, **changes)


def many(options: Options) -> tuple[int, ...]:
    """Give the numbers of members beside one."""
    return tuple(options.effort.pick(MANY, (2,)))


def train_one_and_many(options: Options, name: str) -> Contest:
    """Time a member-step, alone and in the engine's slots."""
    steps = options.effort.pick(10, 1)
    cases = [train_alone(make_setup(options, name, 1), steps)]
    for members in many(options):
        setup = make_setup(options, name, members)
        slots = Slots(*make_trainer(setup.member), setup.width)
        cases.append(train_members(setup, slots, steps, f"{members} members"))
    return _compete(options, f"training {name}", "member-step", cases)


def train_alone(setup: Setup, steps: int) -> Case:
    """Train one member by the engine's own step, jitted alone."""
    trainer, shared = make_trainer(setup.member)

    @jax.jit
    def advance(state: TrainState) -> TrainState:
        return lax.fori_loop(0, steps, lambda _, moved: trainer.update(moved, shared), state)

    states = [jax.jit(trainer.init)(hyper_of(setup.member))]

    def call() -> list[TrainState]:
        states[0] = advance(states[0])
        return states

    return Case(ALONE, call, steps, {"members": 1, "parameters": setup.parameter_count})


def generate_one_and_many(options: Options, name: str) -> Contest:
    """Time a cached step and its law: what every generated token costs."""
    setup = make_setup(options, name, 1)
    tokens = np.asarray(setup.padded_BxT[-1:], np.int32)
    cases = [read_tokens(setup.model, 1, tokens, ALONE)]
    cases += [read_tokens(setup.model, m, tokens, f"{m} members") for m in many(options)]
    return _compete(options, f"generating with {name}", "member-token", cases)


def read_tokens(model: Model, members: int, tokens_NxT: np.ndarray, name: str) -> Case:
    """Advance every member over the same tokens, one after another, on all devices."""
    stack = stack_members(model, members)
    read = spread(lambda one, tokens: score_by_scan(one, tokens), members)
    units = members * tokens_NxT.size
    return Case(name, lambda: read(stack, tokens_NxT), units, {"members": members})


def spread(function: Callable[..., Any], members: int) -> Callable[..., Any]:
    """Compile a function of one member over a stack, dealt out to the devices if it divides."""
    mapped = jax.vmap(function, (0, None))
    devices = jax.device_count()
    if members % devices:
        return jax.jit(mapped)
    one, dealt = PartitionSpec(), PartitionSpec("member")
    mesh = member_mesh(devices)
    return jax.jit(
        jax.shard_map(mapped, mesh=mesh, in_specs=(dealt, one), out_specs=dealt, check_vma=False)
    )


def _compete(options: Options, title: str, unit: str, cases: list[Case]) -> Contest:
    """Let them run in turn, and say how many times as fast a member is among the most."""
    contest = compete(title, unit, cases, options.effort, reference=cases[-1].name)
    options.tell(contest)
    return contest


def compare_forms(options: Options, name: str, length: int) -> Contest:
    """Time the parallel form against the scan of cached steps, the one that is chosen first."""
    changes = {"architecture": name, "preset": "small", "model": {}, "batch": length // 2}
    setup = load_setup("s", 1, max_length=length, **changes)
    member: Learner = jax.tree.map(lambda leaf: leaf[0], stack_members(setup.model, 1))
    tokens = jnp.asarray(setup.padded_BxT[:16], jnp.int32)
    parallel = jax.jit(lambda one, rows: one.score_in_parallel(rows))
    cases = [
        Case("parallel form", lambda: parallel(member, tokens), tokens.size),
        Case("scan", lambda: score_by_scan(member, tokens), tokens.size),
    ]
    if setup.model.scans_on_cpu and jax.default_backend() == "cpu":
        cases.reverse()
    chosen, other = (case.name for case in cases)
    title = f"scoring {len(tokens)} strings of length {length} with {name}"
    contest = compete(title, "token", cases, options.effort)
    contest.facts["chosen"] = chosen
    contest.claim(f"{other}, times as long", contest.ratio(other), TIE)
    options.tell(contest)
    return contest
