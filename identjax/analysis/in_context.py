"""In-context accuracy of members and observers, and the construction that flips it, as rows."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa

from identjax.analysis.foreign import CheckpointRun
from identjax.analysis.tables import EvalTables, join_rows, keys_of, make_rows, select_rows
from identjax.evaluation.in_context import judge_laws, laws_of_members, laws_of_one
from identjax.languages.base import Language
from identjax.languages.shots import ASKED, Shots, Swap, pad_rows
from identjax.predictor import Predictor
from identjax.sweep.load import Run

TABLES = ("in_context", "in_context_observers", "in_context_swaps")
Names = Mapping[str, str | int]


def ask_observers(tables: EvalTables, language: Language, names: Names) -> None:
    """Add the rows of observers and of the construction, unless they stand."""
    if tuple(names.values()) not in keys_of(tables["in_context_observers"], *names):
        tables.add("in_context_observers", measure_observers(language, names))
        tables.add("in_context_swaps", measure_swaps(language, names))


def ask_members(
    tables: EvalTables, run: Run | CheckpointRun, language: Language, rung: str, asked: set[str]
) -> int:
    """Add the rows of those members at a rung that have none; give their number."""
    done = select_rows(tables["in_context"], rung=rung)["member_id"].to_pylist()
    lacking = sorted(asked - set(done))
    if lacking:
        for ids, stack in run.predictors(rung, lacking).values():
            tables.add("in_context", measure_in_context(language, stack, ids, rung))
    return len(lacking)


def draw_shots(language: Language) -> Iterator[tuple[str, int, Shots]]:
    """Draw the prompts of every form and number of examples."""
    for form, task in language.family.in_context.items():
        for examples in task.examples:
            yield form, examples, task.draw(examples, ASKED)


def measure_in_context(
    language: Language, stack: Predictor, ids: Sequence[str], rung: str
) -> pa.Table:
    """Make the in_context rows of members at a rung."""
    drawn = list(draw_shots(language))
    rows = [row.tolist() for _, _, shots in drawn for row in shots.tokens]
    lengths = np.concatenate([shots.lengths for _, _, shots in drawn])
    tokens, _ = pad_rows(rows, language.vocabulary.pad)
    laws = np.split(laws_of_members(stack, tokens, lengths), len(drawn), 1)
    found = []
    for (form, examples, shots), log_p in zip(drawn, laws, strict=True):
        place = {"form": form, "examples": examples, "prompts": ASKED}
        judged = judge_laws(shots, log_p)._asdict()
        found.append(make_rows("in_context", {"member_id": ids, "rung": rung, **place, **judged}))
    return join_rows("in_context", found)


def measure_observers(language: Language, names: Names) -> pa.Table:
    """Make the rows of the truth, of chance and of what the language lays beside learners."""
    found = []
    for form, task in language.family.in_context.items():
        observers = {"truth": language.core, **task.observers()} if task.examples else {}
        for examples in task.examples:
            shots = task.draw(examples, ASKED)
            place = {"form": form, "examples": examples, "prompts": ASKED}
            for name, observer in observers.items():
                log_p = laws_of_one(observer, shots.tokens, shots.lengths)
                judged = judge_laws(shots, log_p[None])._asdict()
                found.append(_observe({**names, "observer": name, **place, **judged}))
            level = np.where(shots.answers, 0.0, -np.inf)[None, None]
            judged = judge_laws(shots, np.broadcast_to(level, (1, *shots.right.shape)))._asdict()
            chance = judged | {"accuracy": [shots.chance]}
            found.append(_observe({**names, "observer": "chance", **place, **chance}))
    return join_rows("in_context_observers", found)


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
