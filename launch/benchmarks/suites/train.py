"""Training: identjax against its peers, over widths and over members."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from identjax.sweep.engine.slots import Slots
from identjax.training.member import Member
from identjax.training.step import TrainState, hyper_of, make_trainer
from launch.benchmarks import machine
from launch.benchmarks.flops import count_flops, sum_over_lengths
from launch.benchmarks.peers import TRAINERS
from launch.benchmarks.setups import LeftOut, Setup, load_setup
from launch.benchmarks.suites.options import Options
from launch.benchmarks.timing import Case, Contest, compete, ratio

FOREVER = 1 << 30
SHARE_OF_MEMORY = 0.5
TORCH, TOGETHER = "PyTorch, one at a time, eager", "torch.func ensemble, torch.compile"
# Aims against these peers on CPU, by size of the configuration.
AIMS = {"s": {TORCH: 10.0, TOGETHER: 3.0}, "p": {TORCH: 10.0}}
SMALL = {"d_model": 4, "heads": 2, "ff": 8, "layers": 1}


def measure(options: Options) -> list[Contest]:
    """Race the peers at the first number of members; then widths, and every number of members."""
    usual = options.effort.pick({"s": (64, 512), "p": (8,)}[options.size], (2, 4))
    options = dataclasses.replace(options, members=options.members or usual)
    setup = make_setup(options, options.members[0])
    each = bytes_of_step(setup.member)
    return [race_peers(options, setup, each), find_knee(options, each)]


def make_setup(options: Options, members: int) -> Setup:
    """Give configuration S or P; a trial shrinks it."""
    changes: dict[str, Any] = {"steps": FOREVER}
    if options.effort.smoke:
        changes |= {"max_length": 8, "batch": 4, "model": {"transformer": SMALL}}
    return load_setup(options.size, members, **changes)


def steps_of(options: Options) -> int:
    """Give the steps that one call takes: about a second of identjax on two cores."""
    return int(options.effort.pick({"s": 20, "p": 1}[options.size], 1))


def race_peers(options: Options, setup: Setup, each: float) -> Contest:
    """Let identjax and its peers train the same members on the same strings."""
    steps, cases, left_out = steps_of(options), [], {}
    slots = Slots(*make_trainer(setup.member), width_that_fits(setup, each))
    cases.append(train_members(setup, slots, steps, "identjax"))
    for name in options.peers:
        try:
            cases.append(TRAINERS[name](setup, steps))
        except LeftOut as reason:
            left_out[name] = str(reason)
    title = f"training, configuration {options.size.upper()}, {len(setup.members)} members"
    contest = compete(title, "member-step", cases, options.effort)
    contest.left_out = left_out
    contest.facts = find_floors(options.ceiling, setup)
    share = machine.share(contest.facts["own_floor_seconds"], contest.seconds["identjax"])
    contest.facts["share_of_ceiling"] = share
    for peer, aim in AIMS[options.size].items():
        if peer in contest.seconds and jax.default_backend() == "cpu":
            contest.claim(f"{peer}, times as long", contest.ratio(peer), aim)
    options.tell(contest)
    return contest


def find_knee(options: Options, each: float) -> Contest:
    """Time a member-step over widths, and over numbers of members at the width of the engine."""
    most = options.effort.pick({"s": 512, "p": 8}[options.size], 2)
    widths = [1 << i for i in range(most.bit_length())]
    slots = functools.cache(
        lambda width: Slots(*make_trainer(make_setup(options, 1).member), width)
    )
    steps, devices, cases, left_out = steps_of(options), jax.device_count(), [], {}
    for width in widths:
        name, needed = f"width {width}", each * width * devices
        if width > 1 and needed > SHARE_OF_MEMORY * machine.free_bytes():
            left_out[name] = f"a step takes {needed / 2**30:.1f} GiB on all devices"
            continue
        setup = make_setup(options, width * devices)
        cases.append(train_members(setup, slots(width), steps, name))
    for members in options.members:
        setup, name = make_setup(options, members), f"{members} members"
        cases.append(train_members(setup, slots(width_that_fits(setup, each)), steps, name))
    last = cases[-1].name
    title = f"training, configuration {options.size.upper()}, over widths and members"
    contest = compete(title, "member-step", cases, options.effort, reference=last)
    contest.left_out = left_out
    # The least of a round would be as low as its luckiest width: the best is one width for all.
    ran = [name for width in widths if (name := f"width {width}") in contest.seconds]
    best = min(ran, key=lambda name: contest.seconds[name].median)
    times_best = ratio(contest.seconds[last], contest.seconds[best])
    contest.claim(f"{last} against the best, {best}", times_best, 1.15, at_most=True)
    options.tell(contest)
    return contest


def train_members(setup: Setup, slots: Slots, steps: int, name: str) -> Case:
    """Train all members by the engine's own calls, so many slots at a time."""
    waves = [start_wave(slots, setup, first) for first in range(0, len(setup.members), slots.count)]

    def call() -> list[TrainState]:
        waves[:] = [jax.block_until_ready(slots.chunk(state, steps)) for state in waves]
        return waves

    members, width = len(setup.members), slots.count // jax.device_count()
    facts = {"members": members, "width": width, "slots": slots.count, "steps": steps}
    facts["width_of_the_sweep"] = setup.width
    facts["parameters"] = setup.parameter_count
    return Case(name, call, members * steps, facts)


def start_wave(slots: Slots, setup: Setup, first: int) -> TrainState:
    """Fill the slots with members from `first` on; where there are too few, the last stands in."""
    last = len(setup.members) - 1
    chosen = [setup.members[min(first + i, last)] for i in range(slots.count)]
    return slots.start([hyper_of(member) for member in chosen])


def width_that_fits(setup: Setup, each: float) -> int:
    """Give the width of the engine, halved until a step takes at most half of free memory.

    `each` is what a step of one member takes, in bytes.
    """
    room = SHARE_OF_MEMORY * machine.free_bytes() / jax.device_count()
    width = setup.width
    while width > 1 and width * each > room:
        width //= 2
    return width


def bytes_of_step(member: Member) -> float:
    """Give what a step of one member takes, as XLA plans it."""
    trainer, shared = make_trainer(member)
    update = jax.jit(jax.vmap(trainer.update, in_axes=(0, None)))
    one = jax.eval_shape(trainer.init, hyper_of(member))
    state = jax.tree.map(lambda x: jax.ShapeDtypeStruct((1, *x.shape), x.dtype), one)
    found = update.lower(state, shared).compile().memory_analysis()
    return float(found.temp_size_in_bytes + found.output_size_in_bytes)


def find_floors(ceiling: Contest, setup: Setup) -> dict[str, Any]:
    """Give the floor of a member-step as identjax lays it out, and of its strings without PAD."""
    trainer, shared = make_trainer(setup.member)
    state = jax.eval_shape(trainer.init, hyper_of(setup.member))
    moved = 2.0 * sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(state))
    own = machine.floor_seconds(ceiling, count_flops(trainer.update, state, shared), moved)
    bare = machine.floor_seconds(ceiling, count_least(setup), moved)
    compiled = jax.jit(trainer.update).lower(state, shared).compile()
    analysis = compiled.cost_analysis() or {}
    return {
        **{f"own_{name}": value for name, value in own.items()},
        **{f"least_{name}": value for name, value in bare.items() if "bytes" not in name},
        "xla_flops": float(analysis.get("flops", 0.0)),
        "xla_bytes": float(analysis.get("bytes accessed", 0.0)),
    }


def count_least(setup: Setup) -> float:
    """Count the operations of forward and backward over every string alone, without PAD."""
    params = jax.eval_shape(setup.model.init, jax.random.key(0))
    lengths = (setup.padded_BxT < setup.language.vocabulary.eos).sum(1) + 1

    def count(length: int) -> float:
        return count_flops(_gradient(setup), params, jax.ShapeDtypeStruct((1, length), np.int32))

    return sum_over_lengths(count, lengths)


def _gradient(setup: Setup) -> Callable[..., Any]:
    return jax.grad(lambda params, tokens: setup.model.logits(params, tokens).sum())
