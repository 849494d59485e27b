"""Evaluation: all members of a rung at once, against a plain loop over members."""

import numpy as np

from identjax.evaluation.measure import AtRung
from identjax.evaluation.measures.behaviour import measure_behaviour
from identjax.evaluation.measures.likelihood import measure_likelihood
from identjax.evaluation.prompting import Decoding
from identjax.evaluation.results import Truth
from launch.benchmarks.peers.torch_runs import find_device
from launch.benchmarks.setups import LeftOut, Setup, load_setup, stack_members
from launch.benchmarks.suites.options import Options
from launch.benchmarks.timing import Case, Contest, Spread, compete

AIM = 10.0
PEER = "PyTorch, member by member"


def measure(options: Options) -> list[Contest]:
    """Measure the likelihood, the completions and the rules of untrained members."""
    members, length = options.effort.pick((64, 32), (4, 12))
    setup = load_setup("s", members, max_length=length)
    at = place_members(setup, members)

    def call() -> object:
        return measure_likelihood(at), measure_behaviour(at)

    prompts = at.prompts["ood"]
    cases, left_out = [Case("identjax", call, members, {"members": members})], {}
    try:
        find_device()
        from launch.benchmarks.peers.torch_evaluation import evaluate_in_torch

        cases.append(evaluate_in_torch(setup, prompts))
    except LeftOut as reason:
        left_out[PEER] = str(reason)
    title = f"evaluating snapshots on {len(prompts)} prompts, length {length}"
    contest = compete(title, "snapshot", cases, options.effort)
    contest.left_out = left_out
    seconds = contest.seconds["identjax"].rounds
    contest.facts = {"snapshots_per_second": Spread(tuple(1 / one for one in seconds))}
    if not left_out:
        contest.claim(f"{PEER}, times as long", contest.ratio(PEER), AIM)
    options.tell(contest)
    return [contest]


def place_members(setup: Setup, members: int) -> AtRung:
    """Stand untrained members at a rung, as evaluation would."""
    language = setup.language
    ids = [f"m{row:04d}" for row in range(members)]
    truth = Truth("L3", language.max_length, "{}", tuple(ids), ("mle",))
    prompts = {"ood": np.asarray(language.prompts("ood").tokens, np.int32)}
    stack = stack_members(setup.model, members)
    return AtRung(truth, prompts, "final", ids, stack, [0] * members, members, Decoding())
