"""All pairs of members: KL, JS and TV of their laws, against the matrix product inside."""

import itertools

import jax
import numpy as np

from identjax.evaluation.divergences import kl_by_product, measure_divergences
from identjax.evaluation.likelihood import laws_along
from launch.benchmarks import machine
from launch.benchmarks.peers.pairs import compare_pair
from launch.benchmarks.setups import load_setup, stack_members
from launch.benchmarks.suites.options import Options
from launch.benchmarks.timing import Case, Contest, Spread, compete, ratio

MOST_SECONDS, MOST_BYTES, LEAST_SHARE = 60.0, 4.0 * 2**30, 0.5
ALL, LAWS, PAIRS = "all pairs", "laws of all members", "pair by pair"
KL, PRODUCT = "KL of all pairs", "matrix product"


def measure(options: Options) -> list[Contest]:
    """Compare untrained LSTMs along drawn strings of a^n b^n."""
    members, strings, length = options.effort.pick((1000, 128, 64), (6, 4, 8))
    setup = load_setup(
        "s", members, architecture="lstm", preset="small", model={}, max_length=length
    )
    stack = stack_members(setup.model, members)
    tokens = np.asarray(setup.language.sample(jax.random.key(0), strings))[:, :length]
    machine.forget_peak()
    laws_MxKxV = laws_along(stack, tokens).reshape(members, tokens.size, -1)
    weights_K = np.full(tokens.size, 1 / tokens.size)
    measure_divergences(laws_MxKxV, weights_K)
    peak = machine.peak_bytes()
    cases = [
        Case(ALL, lambda: measure_divergences(laws_MxKxV, weights_K).kl, 1),
        Case(LAWS, lambda: laws_along(stack, tokens), 1),
        *multiply(laws_MxKxV),
        compare_pair_by_pair(laws_MxKxV, weights_K),
    ]
    title = f"all pairs of {members} members over {strings} strings of length {length}"
    contest = compete(title, "comparison of all pairs", cases, options.effort)
    contest.facts = peak
    product = ratio(contest.seconds[PRODUCT], contest.seconds[KL])
    contest.claim("share of KL that its matrix product takes alone", product, LEAST_SHARE)
    both = zip(contest.seconds[ALL].rounds, contest.seconds[LAWS].rounds, strict=True)
    contest.claim("seconds, laws included", Spread(tuple(map(sum, both))), MOST_SECONDS, True)
    if "peak_resident_bytes" in peak:
        resident = Spread((peak["peak_resident_bytes"],))
        contest.claim("bytes of resident memory at most", resident, MOST_BYTES, True)
    options.tell(contest)
    return [contest]


def multiply(laws_MxKxV: np.ndarray) -> tuple[Case, Case]:
    """KL alone, and alone the product Σ a log b in it, in double precision."""
    flat = laws_MxKxV.reshape(len(laws_MxKxV), -1)
    laws_MxC = flat[:, np.isfinite(flat).any(0)]
    log_p, weights_C = (
        laws_MxC.astype(np.float64),
        np.full(laws_MxC.shape[1], 1 / laws_MxKxV.shape[1]),
    )
    p = np.exp(log_p)
    flops = {"flops": 2.0 * len(log_p) ** 2 * log_p.shape[1], "dtype": "float64"}
    return (
        Case(KL, lambda: kl_by_product(laws_MxC, weights_C), 1),
        Case(PRODUCT, lambda: p @ log_p.T, 1, flops),
    )


def compare_pair_by_pair(laws_MxKxV: np.ndarray, weights_K: np.ndarray, most: int = 32) -> Case:
    """The peer: NumPy, one pair after another; some pairs stand for all."""
    members = len(laws_MxKxV)
    pairs = list(itertools.islice(itertools.combinations(range(members), 2), most))

    def call() -> list[tuple[float, ...]]:
        return [compare_pair(laws_MxKxV[a], laws_MxKxV[b], weights_K) for a, b in pairs]

    share_of_all = len(pairs) / (members * (members - 1) / 2)
    return Case(PAIRS, call, share_of_all, {"pairs": len(pairs)})
