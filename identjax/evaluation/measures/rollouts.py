"""Sequence KL on prompts: what one member writes after a prompt, scored by the others.

Axes: A and B members, N prompt, T position.
"""

import numpy as np

from identjax.evaluation.completions import complete_members
from identjax.evaluation.likelihood import excess_along, laws_along
from identjax.evaluation.measure import AtPairs, Found, measure
from identjax.evaluation.measures.pairwise import PAIRWISE
from identjax.schema import schema_of
from identjax.stacks import take_members
from identjax.vocabulary import Tokens

TABLES = {"ablations/rollouts": schema_of(**PAIRWISE, stderr=float)}


@measure("rollouts", TABLES, needs="pairs", default=False, most=64)
def list_rollouts(at: AtPairs, prompts: int = 16) -> Found:
    """Compare continuations of at most `prompts` prompts per split, evenly from the list."""
    ids = np.asarray(at.ids, object)
    a, b = np.nonzero(~np.eye(len(ids), dtype=bool))
    rows = []
    for split, tokens in at.prompts.items():
        asked = tokens[np.unique(np.linspace(0, len(tokens) - 1, prompts).astype(int))]
        value, stderr = measure_rollouts(at, asked)
        pairs = {"split": split, "measure": "kl_rollout", "member_a": ids[a], "member_b": ids[b]}
        rows.append({**pairs, "value": value[a, b], "stderr": stderr[a, b]})
    return {"ablations/rollouts": rows}


def measure_rollouts(
    at: AtPairs, prompts_NxP: Tokens, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """KL(a‖b) of what follows the prompts, in nats per sequence, and its standard error, [A, B].

    mean_n E_{x∼a(·|s_n)} Σ_{t≥|s_n|} Σ_o a(o|s_n x_<t) log(a(o|s_n x_<t)/b(o|s_n x_<t)): one
    continuation is drawn from a per prompt, and the sum over the next token is exact. Rows write,
    columns score. The standard error is that of the mean over prompts. Members are by id.
    """
    value = np.zeros((len(at.ids), len(at.ids)))
    stderr = np.zeros_like(value)
    for members, stack in at.stacks.values():
        written = complete_members(stack, prompts_NxP, seed).tokens
        for row, member in enumerate(members):
            own = laws_along(take_members(stack, [row]), written[row])[0]
            own[:, : prompts_NxP.shape[1] - 1] = -np.inf
            scored = {
                group: excess_along(own, laws_along(other, written[row]))
                for group, (_, other) in at.stacks.items()
            }
            excess_BxN, place = at.in_order(scored), at.ids.index(member)
            value[place] = excess_BxN.mean(1)
            with np.errstate(invalid="ignore"):
                stderr[place] = excess_BxN.std(1, ddof=1) / np.sqrt(excess_BxN.shape[1])
    return value, stderr
