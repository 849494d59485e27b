"""Sequence KL on a prompt set: what one member writes after a prompt, scored by the others.

Axes: A and B members, N prompt, T position.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pyarrow as pa

from identjax.evaluation.behaviour import Decoding, make_prompts
from identjax.evaluation.checkpoint_run import CheckpointRun
from identjax.evaluation.completions import complete_members
from identjax.evaluation.divergences import sample_members
from identjax.evaluation.eval_tables import EvalTables, join_rows, make_rows, select_rows
from identjax.evaluation.evaluate import choose
from identjax.evaluation.likelihood import excess_along, laws_along
from identjax.evaluation.pairs import Stacks, list_members
from identjax.evaluation.truths import find_truths
from identjax.stacks import take_members
from identjax.sweep.folder.load import Run
from identjax.vocabulary import Tokens

MEASURE, SPLITS = "kl_rollout", ("id", "ood")
MOST_MEMBERS = 64


def measure_rollouts(
    stacks: Stacks, prompts_NxP: Tokens, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """KL(a‖b) of what follows the prompts, in nats per sequence, and its standard error, [A, B].

    mean_n E_{x∼a(·|s_n)} Σ_{t≥|s_n|} Σ_o a(o|s_n x_<t) log(a(o|s_n x_<t)/b(o|s_n x_<t)): one
    continuation is drawn from a per prompt, and the sum over the next token is exact. Rows write,
    columns score. The standard error is that of the mean over prompts. Members are by id.
    """
    ids = list_members(stacks)
    found = [member for members, _ in stacks.values() for member in members]
    order = np.array([found.index(member) for member in ids])
    value = np.zeros((len(ids), len(ids)))
    stderr = np.zeros_like(value)
    for members, stack in stacks.values():
        written = complete_members(stack, prompts_NxP, seed).tokens
        for row, member in enumerate(members):
            own = laws_along(take_members(stack, [row]), written[row])[0]
            own[:, : prompts_NxP.shape[1] - 1] = -np.inf
            scored = [laws_along(other, written[row]) for _, other in stacks.values()]
            excess_BxN = np.concatenate([excess_along(own, laws) for laws in scored])[order]
            place = ids.index(member)
            value[place] = excess_BxN.mean(1)
            with np.errstate(invalid="ignore"):
                stderr[place] = excess_BxN.std(1, ddof=1) / np.sqrt(excess_BxN.shape[1])
    return value, stderr


def evaluate_rollouts(
    run: Run | CheckpointRun,
    prompts: int,
    rungs: Sequence[str] | None = None,
    say: Callable[[str], None] = print,
) -> int:
    """Write evals/ablations/rollouts.parquet for what it lacks; give the number of members done.

    At most `prompts` prompts per split, evenly from the list, and 64 members per rung.
    """
    tables, count = EvalTables(run.store, ["rollouts"]), 0
    rows = {row["member_id"]: row for row in run.members().to_pylist()}
    for truth in find_truths(rows.values()):
        own = make_prompts(truth.language, SPLITS, Decoding(), truth.objectives)
        asked = {
            split: tokens[np.unique(np.linspace(0, len(tokens) - 1, prompts).astype(int))]
            for split, tokens in own.items()
        }
        for rung in choose("rungs", rungs, run.rungs()):
            at_rung = select_rows(run.snapshots(), rung=rung, member_id=truth.members)
            ids = sorted(set(at_rung["member_id"].to_pylist()))
            cells = [rows[member]["group"] for member in ids]
            chosen = [ids[row] for row in sample_members(cells, ids, MOST_MEMBERS)]
            stand = select_rows(tables["rollouts"], rung=rung, member_a=chosen)
            if len(chosen) < 2 or set(stand["member_a"].to_pylist()) == set(chosen):
                continue
            stacks = run.predictors(rung, chosen)
            found = _list_rollouts(stacks, asked, {"language": truth.name, "rung": rung})
            tables.replace("rollouts", found, rung=rung, member_a=truth.members)
            tables.save()
            say(f"{truth.name}, rung {rung}: rollouts of {len(chosen)} members")
            count += len(chosen)
    return count


def _list_rollouts(
    stacks: Stacks, prompts: Mapping[str, Tokens], keys: Mapping[str, str]
) -> pa.Table:
    ids = np.asarray(list_members(stacks), object)
    a, b = np.nonzero(~np.eye(len(ids), dtype=bool))
    rows = []
    for split, tokens in prompts.items():
        value, stderr = measure_rollouts(stacks, tokens)
        names = {**keys, "split": split, "measure": MEASURE}
        pairs = {"member_a": ids[a], "member_b": ids[b]}
        values = {"value": value[a, b], "stderr": stderr[a, b]}
        rows.append(make_rows("rollouts", {**names, **pairs, **values}))
    return join_rows("rollouts", rows)
