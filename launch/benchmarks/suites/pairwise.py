"""All pairs of members: KL, JS and TV of their laws, against the matrix product inside."""

import itertools

import jax
import numpy as np

from identjax.analysis.pairwise import measure_divergences
from identjax.evaluation.likelihood import laws_along
from launch.benchmarks import machine
from launch.benchmarks.peers.pairs import compare_pair
from launch.benchmarks.setups import load_setup, stack_members
from launch.benchmarks.suites.options import Options
from launch.benchmarks.timing import Case, Contest, Spread, compete, ratio

MOST_SECONDS, MOST_BYTES = 60.0, 4.0 * 2**30
ALL, LAWS, PRODUCT, PAIRS = "all pairs", "laws of all members", "matrix product", "pair by pair"


def measure(options: Options) -> list[Contest]:
    """Compare untrained LSTMs along drawn strings of a^n b^n."""
    members, strings, length = options.effort.pick((1000, 128, 64), (6, 4, 8))
    setup = load_setup(
        "bench_s", members, architecture="lstm", preset="small", model={}, max_length=length
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
        multiply(laws_MxKxV),
        compare_pair_by_pair(laws_MxKxV, weights_K),
    ]
    title = f"all pairs of {members} members over {strings} strings of length {length}"
    contest = compete(title, "comparison of all pairs", cases, options.effort)
    product = ratio(contest.seconds[PRODUCT], contest.seconds[ALL])
    contest.facts = {"share_of_the_matrix_product": product, **peak}
    both = zip(contest.seconds[ALL].rounds, contest.seconds[LAWS].rounds, strict=True)
    contest.claim("seconds, laws included", Spread(tuple(map(sum, both))), MOST_SECONDS, True)
    if "peak_resident_bytes" in peak:
        resident = Spread((peak["peak_resident_bytes"],))
        contest.claim("bytes of resident memory at most", resident, MOST_BYTES, True)
    options.tell(contest)
    return [contest]


def multiply(laws_MxKxV: np.ndarray) -> Case:
    """The product Σ a log b alone, in double precision, over the columns that KL needs."""
    flat = laws_MxKxV.reshape(len(laws_MxKxV), -1)
    log_p = flat[:, np.isfinite(flat).any(0)].astype(np.float64)
    p = np.exp(log_p)
    flops = 2.0 * len(log_p) ** 2 * log_p.shape[1]
    return Case(PRODUCT, lambda: p @ log_p.T, 1, {"flops": flops, "dtype": "float64"})


def compare_pair_by_pair(laws_MxKxV: np.ndarray, weights_K: np.ndarray, most: int = 32) -> Case:
    """The peer: NumPy, one pair after another; some pairs stand for all."""
    members = len(laws_MxKxV)
    pairs = list(itertools.islice(itertools.combinations(range(members), 2), most))

    def call() -> list[tuple[float, ...]]:
        return [compare_pair(laws_MxKxV[a], laws_MxKxV[b], weights_K) for a, b in pairs]

    share_of_all = len(pairs) / (members * (members - 1) / 2)
    return Case(PAIRS, call, share_of_all, {"pairs": len(pairs)})
