"""Generation: cached, all members at once, against reading the prefix again for every token."""

import jax
import numpy as np

from identjax.evaluation.completions import complete_members
from identjax.stacks import take_members
from launch.benchmarks.peers import rerun
from launch.benchmarks.setups import LeftOut, Setup, load_setup, stack_members
from launch.benchmarks.suites.options import Options
from launch.benchmarks.timing import Case, Contest, compete

AIM = 50.0


def measure(options: Options) -> list[Contest]:
    """Continue the impossible prompts of a^n b^n with every member."""
    setup, members = make_setup(options)
    stack = stack_members(setup.model, members)
    prompts = setup.language.prompts("ood").tokens

    def call() -> np.ndarray:
        return complete_members(stack, prompts).tokens

    facts = {"members": members, "prompts": len(prompts)}
    cases = [
        Case("identjax", call, members, facts),
        rerun.generate_in_jax(stack, prompts),
    ]
    left_out = {}
    try:
        cases.append(rerun.generate_in_torch(setup, prompts))
    except LeftOut as reason:
        left_out["PyTorch, prefix read again"] = str(reason)
    title = f"completing {len(prompts)} prompts to length {setup.member.max_length}"
    contest = compete(title, "member", cases, options.effort)
    contest.left_out = left_out
    some, first = prompts[::16], take_members(stack, [0])
    again = rerun.complete_in_jax(jax.tree.map(lambda leaf: leaf[0], first), some)
    same = again == complete_members(first, some).tokens[0]
    contest.facts = {
        "model": setup.model.options(),
        "tokens_equal_to_prefix_read_again": float(same.mean()),
    }
    for case in cases[1:]:
        contest.claim(f"{case.name}, times as long", contest.ratio(case.name), AIM)
    options.tell(contest)
    return [contest]


def make_setup(options: Options) -> tuple[Setup, int]:
    """Give the Transformer of configuration S at the papers' length; a trial shrinks it."""
    length, members = options.effort.pick((256, 32), (12, 2))
    return load_setup("s", members, max_length=length, batch=length // 2), members
