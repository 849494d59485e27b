"""Members that end at their own times: slots refilled as they end, against fixed waves."""

import dataclasses
import tempfile
from collections.abc import Sequence

import jax

from identjax.axes import axis, product
from identjax.store import Store
from identjax.sweep.engine.device_memory import prepare
from identjax.sweep.engine.group_run import Context, GroupRun
from identjax.sweep.engine.progress import Progress
from identjax.sweep.engine.slots import Slots
from identjax.sweep.plan.groups import Group, RunSettings, make_plan
from identjax.training.member import Member
from launch.benchmarks.suites.options import Options
from launch.benchmarks.timing import Case, Contest, Spread, compete

CONFIG = {
    "language": "L3",
    "max_length": 16,
    "architecture": "lstm",
    "model": {"lstm": {"hidden": 16}},
    "schedule": "constant",
    "warmup": 0,
    "weight_decay": 0.0,
    "steps": 1500,
    "check_every": 20,
    "stop_below": 0.1,
    "rungs": (),
    "width": 4,
}
RATES = (3e-3, 6e-3, 1.2e-2, 2.5e-2)


class Silent(Progress):
    """Shows nothing."""

    def say(self, line: str) -> None:
        """Print no line."""


def measure(options: Options) -> list[Contest]:
    """Train one mix of learning rates both ways, by the engine's own loop, files included."""
    seeds = options.effort.pick(16, 2)
    changes = options.effort.pick({}, {"steps": 40, "width": 1, "max_length": 6})
    sweep = product(axis("learning_rate", RATES), axis("init_seed", range(seeds)))
    plan = make_plan(CONFIG | changes, sweep)
    (group,) = plan.groups
    slots, members = prepare(group), group.members
    waves = [members[i : i + slots.count] for i in range(0, len(members), slots.count)]
    refilled = Parts(group, [members], slots, plan.settings)
    fixed = Parts(group, waves, slots, plan.settings)
    cases = [
        Case("refilled", refilled.train, len(members)),
        Case("fixed waves", fixed.train, len(members)),
    ]
    title = f"{len(members)} members that stop at {CONFIG['stop_below']} nats, {slots.count} slots"
    contest = compete(title, "member", cases, options.effort)
    contest.facts = {
        "slots_in_use_refilled": refilled.in_use,
        "slots_in_use_fixed_waves": fixed.in_use,
    }
    contest.claim("fixed waves, times as long", contest.ratio("fixed waves"), 1.5)
    contest.claim("slots in use while members wait", Spread((refilled.in_use_queued,)), 0.9)
    options.tell(contest)
    return [contest]


@dataclasses.dataclass
class Parts:
    """Members of a group, part after part: one part is refilled, several are fixed waves."""

    group: Group
    parts: Sequence[tuple[Member, ...]]
    slots: Slots
    settings: RunSettings
    in_use: float = 0.0
    in_use_queued: float = 0.0

    def train(self) -> list[jax.Array]:
        """Train every part to its end in a folder of its own, and note which slots were in use."""
        runs = [self._train(part) for part in self.parts]
        offered = sum(run.tally.offered for run in runs)
        self.in_use = sum(run.tally.taken for run in runs) / offered
        self.in_use_queued = runs[0].queued.share
        return [run.state.step for run in runs]

    def _train(self, part: tuple[Member, ...]) -> GroupRun:
        with tempfile.TemporaryDirectory() as folder:
            context = Context(
                self.settings, Store(folder), Silent({}), lambda: False, lambda run: None
            )
            run = GroupRun(dataclasses.replace(self.group, members=part), self.slots, context)
            run.run()
        return run
