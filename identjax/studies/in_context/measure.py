"""In-context accuracy of members and observers, and the construction that flips it, as rows."""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from identjax.evaluation.checkpoint_run import CheckpointRun
from identjax.evaluation.eval_tables import EvalTables, join_rows, keys_of, make_rows, select_rows
from identjax.evaluation.truths import Truth
from identjax.languages.language import Language
from identjax.predictor import Predictor
from identjax.studies.in_context.asking import judge_laws, laws_of_members, laws_of_one
from identjax.studies.in_context.tasks import Asked, Swap, pad_rows
from identjax.sweep.folder.load import Run

TABLES = ("in_context", "in_context_observers", "in_context_swaps")
Names = Mapping[str, str | int]


def ask_observers(tables: EvalTables, truth: Truth) -> None:
    """Add the rows of observers and of the construction, unless they stand."""
    names = truth.names
    if tuple(names.values()) not in keys_of(tables["in_context_observers"], *names):
        found = measure_observers(truth.language, names)
        tables.add("in_context_observers", found)
        tables.add("in_context_swaps", measure_swaps(truth.language, names))


def ask_members(
    tables: EvalTables, run: Run | CheckpointRun, truth: Truth, rung: str, members: set[str]
) -> int:
    """Add the rows of those members at a rung that have none; give their number."""
    done = select_rows(tables["in_context"], rung=rung)["member_id"].to_pylist()
    lacking = sorted(members - set(done))
    if lacking:
        for ids, stack in run.predictors(rung, lacking).values():
            tables.add(
                "in_context", measure_in_context(truth.language.family.asked, stack, ids, rung)
            )
    return len(lacking)


def measure_in_context(
    asked: Sequence[Asked], stack: Predictor, ids: Sequence[str], rung: str
) -> pa.Table:
    """Make the in_context rows of members at a rung."""
    prompts = [prompt for one in asked for prompt in one.shots.prompts]
    tokens, lengths = pad_rows(prompts, stack.vocabulary.pad)
    laws = np.split(laws_of_members(stack, tokens, lengths), len(asked), 1)
    found = []
    for one, log_p in zip(asked, laws, strict=True):
        judged = judge_laws(one.shots, log_p)._asdict()
        columns = {"member_id": ids, "rung": rung, **_place(one), **judged}
        found.append(make_rows("in_context", columns))
    return join_rows("in_context", found)


def measure_observers(language: Language, names: Names) -> pa.Table:
    """Make the rows of the truth, of chance and of what the language lays beside learners."""
    found = []
    for form, task in language.family.in_context.items():
        observers = {"truth": language.core, **task.observers()} if task.examples else {}
        for one in (one for one in language.family.asked if one.form == form):
            shots, place = one.shots, _place(one)
            for name, observer in observers.items():
                log_p = laws_of_one(observer, shots.tokens, shots.lengths)
                judged = judge_laws(shots, log_p[None])._asdict()
                found.append(_observe({**names, "observer": name, **place, **judged}))
            level = np.where(shots.answers, 0.0, -np.inf)[None, None]
            judged = judge_laws(shots, np.broadcast_to(level, (1, *shots.right.shape)))._asdict()
            chance = judged | {"accuracy": [shots.chance]}
            found.append(_observe({**names, "observer": "chance", **place, **chance}))
    return join_rows("in_context_observers", found)


def _place(one: Asked) -> dict[str, str | int]:
    return {"form": one.form, "examples": one.examples, "prompts": len(one.shots.lengths)}


def measure_swaps(language: Language, names: Names) -> pa.Table:
    """Make the rows of the construction: what it costs, and what it answers."""
    found = []
    for form, task in language.family.in_context.items():
        for examples, swap in task.swaps().items():
            columns = {**names, "form": form, "examples": examples, **measure_swap(swap)}
            listed = {k: v if isinstance(v, str | int) else [v] for k, v in columns.items()}
            found.append(make_rows("in_context_swaps", {**listed, "kl_nats": [swap.kl_nats]}))
    return join_rows("in_context_swaps", found)


def measure_swap(swap: Swap) -> dict[str, float | int]:
    """Ask the construction and the truth the same prompts, those in context among them."""
    rows, count = [swap.members], len(swap.members)
    rows += [swap.shots.tokens] if swap.shots else []
    tokens = np.concatenate(rows)
    lengths = np.full(len(tokens), tokens.shape[1])
    own, flipped = (laws_of_one(p, tokens, lengths) for p in (swap.truth, swap.swapped))
    symbols = swap.truth.vocabulary.eos
    agree = own[:, :symbols].argmax(-1) == flipped[:, :symbols].argmax(-1)
    accuracy = [np.nan, np.nan]
    if swap.shots is not None:
        laws = (own[None, count:], flipped[None, count:])
        accuracy = [float(judge_laws(swap.shots, law).accuracy[0]) for law in laws]
    return {
        "places": int(tokens.shape[1]) - 1,
        "log_mass": swap.log_mass,
        "kl_nats": swap.kl_nats,
        "kl_stderr": swap.kl_stderr,
        "kl_forward": swap.forward,
        "floor": swap.floor,
        "bound": swap.bound,
        "agreement": float(agree.mean()),
        "accuracy": accuracy[1],
        "truth_accuracy": accuracy[0],
        "prompts": len(agree),
    }


def _observe(columns: Mapping[str, object]) -> pa.Table:
    return make_rows("in_context_observers", columns)
