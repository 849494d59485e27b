"""How much the loss allows: the divergence at every context, beside what a small KL forbids.

The chain rule says KL(p‖q) = Σ_s p(s) KL(p(·|s)‖q(·|s)). No term is negative, so a member with
KL ≤ ε has KL(p(·|s)‖q(·|s)) ≤ ε / p(s) after every context s. Pinsker's inequality says
TV(p, q) ≤ √(KL(p‖q) / 2), and the triangle inequality that two such members have
TV(a(·|s), b(·|s)) ≤ 2 √(ε / 2p(s)) = √(2ε / p(s)); TV is never above 1 at all. So the loss says
nothing of a pair where p(s) ≤ 2ε, and nothing of anything where p(s) = 0.

Axes: M member, P pair, S context.
"""

from collections.abc import Iterator

import numpy as np

from identjax.evaluation.laws_at import kl_from
from identjax.evaluation.likelihood import laws_along
from identjax.evaluation.measure import AtPairs, Found, Rows, measure
from identjax.languages.contexts import Contexts
from identjax.rungs import is_epsilon, is_step
from identjax.schema import TRUTH, schema_of

# So many contexts are listed: the likeliest half, and of the others an even choice.
MOST = 256
MEMBERS, PAIRS = "members", "pairs"
_NUMBERS = ("neg_log_p", "median", "largest", "envelope", "used")
TABLES = {
    "allowance": schema_of(
        **TRUTH,
        **dict.fromkeys(("rung", "split", "kind", "context"), str),
        n=int,
        **dict.fromkeys(_NUMBERS, float),
    )
}


def is_no_step(rung: str) -> bool:
    """Tell whether members are compared there at equal loss, or where they stopped."""
    return not is_step(rung)


@measure("allowance", TABLES, needs="pairs", suits=is_no_step)
def measure_allowance(at: AtPairs) -> Found:
    """Measure KL to the truth (`members`) and TV between members (`pairs`), context by context.

    `envelope` is the bound, with ε or the largest KL where that is larger; `used` is the largest
    share p(s) KL(p(·|s)‖q(·|s)) / KL(p‖q) that a context has in the KL of a member. Members whose
    role is to select do not count. Prompts of probability zero have pairs alone.
    """
    reported = [row for row, member in enumerate(at.members) if member["role"] == "report"]
    if len(reported) < 2:
        return {"allowance": []}
    parts: list[Rows] = []
    if "id" in at.prompts:
        parts += _at_contexts(at, reported)
    if "ood" in at.prompts:
        texts = [at.language.vocabulary.decode(row) for row in at.prompts["ood"]]
        found = _summarise_pairs(at.laws["ood"][reported])
        about = {"split": "ood", "context": texts, "neg_log_p": np.inf}
        parts.append({**about, "envelope": 1.0, "used": np.nan, **found})
    return {"allowance": parts}


def _at_contexts(at: AtPairs, reported: list[int]) -> Iterator[Rows]:
    contexts = Contexts.of(at.language)
    log_q_MxSxV = contexts.at(at.ask(laws_along, contexts.tokens))[reported]
    kl_MxS = kl_from(contexts.log_law, log_q_MxSxV)
    kl_M = kl_MxS @ contexts.weight
    most = max(float(kl_M.max()), float(at.rung) if is_epsilon(at.rung) else 0.0)
    listed = list_contexts(contexts)
    p_S = contexts.p[listed]
    about = {
        "split": "id",
        "context": contexts.texts(listed),
        "neg_log_p": 0 - contexts.log_p[listed],
    }
    kl_MxS = kl_MxS[:, listed]
    with np.errstate(invalid="ignore", divide="ignore"):
        used_S = np.max(p_S * kl_MxS / kl_M[:, None], 0) if contexts.exact else np.nan
    yield {
        **about,
        "kind": MEMBERS,
        "n": len(kl_MxS),
        "median": np.median(kl_MxS, 0),
        "largest": kl_MxS.max(0),
        "envelope": most / p_S,
        "used": used_S,
    }
    pairs = _summarise_pairs(log_q_MxSxV[:, listed])
    bound_S = np.minimum(np.sqrt(2 * most / p_S), 1)
    yield {**about, "envelope": bound_S, "used": np.nan, **pairs}


def list_contexts(contexts: Contexts, most: int = MOST) -> np.ndarray:
    """Choose at most `most` contexts: the likeliest half, and of the others an even choice by rank.

    They come as the table has them, short ones first.
    """
    order = np.argsort(-contexts.log_p, kind="stable")
    if len(order) <= most:
        return np.sort(order)
    rest = order[most // 2 :]
    even = np.linspace(0, len(rest) - 1, most - most // 2).round().astype(int)
    return np.sort(np.concatenate([order[: most // 2], rest[even]]))


def _summarise_pairs(log_q_MxSxV: np.ndarray) -> Rows:
    """TV between all pairs of members after each context: their number, median and largest."""
    q_MxSxV = np.exp(log_q_MxSxV.astype(np.float64))
    a, b = np.triu_indices(len(q_MxSxV), 1)
    median, largest = [], []
    for q_MxV in np.moveaxis(q_MxSxV, 1, 0):
        tv_P = np.abs(q_MxV[a] - q_MxV[b]).sum(1) / 2
        median.append(np.median(tv_P))
        largest.append(tv_P.max())
    return {"kind": PAIRS, "n": len(a), "median": median, "largest": largest}
