"""In-context accuracy of members and observers, and the construction that flips it, as rows."""

from collections.abc import Iterable, Iterator

import numpy as np

from identjax.evaluation.measure import AtRung, AtTruth, Found, Rows, measure
from identjax.languages import Language
from identjax.schema import TRUTH, schema_of
from identjax.studies.in_context.asking import Answers, judge_laws, laws_of_members, laws_of_one
from identjax.studies.in_context.tasks import ASKED, Asked, Swap, asked, pad_rows, tasks_of

_ASKED = {"form": str, "examples": int, "prompts": int, **dict.fromkeys(Answers._fields, float)}
_COSTS = ("log_mass", "kl_nats", "kl_stderr", "kl_forward", "floor", "bound")
_REPLIES = ("agreement", "accuracy", "truth_accuracy")
SWAPPED = {"form": str, "examples": int, "places": int}
SWAPPED |= {**dict.fromkeys((*_COSTS, *_REPLIES), float), "prompts": int}


def has_tasks(language: Language) -> bool:
    """Tell whether a language can be asked in context."""
    return bool(tasks_of(language))


@measure(
    "in_context",
    {"in_context": schema_of(member_id=str, rung=str, **_ASKED)},
    needs="snapshots",
    applies=has_tasks,
)
def ask_members(at: AtRung, count: int = ASKED) -> Found:
    """Ask members so many prompts of every form, with every number of examples."""
    questions = asked(at.language, count)
    prompts = [prompt for one in questions for prompt in one.shots.prompts]
    tokens, lengths = pad_rows(prompts, at.stack.vocabulary.pad)
    laws = np.split(laws_of_members(at.stack, tokens, lengths), len(questions), 1)
    return {
        "in_context": [
            {**_place(one), **judge_laws(one.shots, log_p)._asdict()}
            for one, log_p in zip(questions, laws, strict=True)
        ]
    }


@measure(
    "in_context_observers",
    {
        "in_context_observers": schema_of(**TRUTH, observer=str, **_ASKED),
        "in_context_swaps": schema_of(**TRUTH, **SWAPPED),
    },
    needs="language",
    applies=has_tasks,
)
def ask_observers(at: AtTruth, count: int = ASKED) -> Found:
    """Ask the truth, chance and what the tasks lay beside learners; weigh the construction."""
    swaps = [
        {"form": form, "examples": examples, **measure_swap(swap)}
        for form, task in tasks_of(at.language).items()
        for examples, swap in task.swaps().items()
    ]
    observed = _observe(at.language, asked(at.language, count))
    return {"in_context_observers": list(observed), "in_context_swaps": swaps}


def _observe(language: Language, questions: Iterable[Asked]) -> Iterator[Rows]:
    tasks = tasks_of(language)
    observers = {
        form: {"truth": language.core, **task.observers()} if task.examples else {}
        for form, task in tasks.items()
    }
    for one in questions:
        shots, place = one.shots, _place(one)
        for name, observer in observers[one.form].items():
            log_p = laws_of_one(observer, shots.tokens, shots.lengths)
            yield {"observer": name, **place, **judge_laws(shots, log_p[None])._asdict()}
        level = np.where(shots.answers, 0.0, -np.inf)[None, None]
        judged = judge_laws(shots, np.broadcast_to(level, (1, *shots.right.shape)))
        yield {"observer": "chance", **place, **judged._asdict(), "accuracy": shots.chance}


def _place(one: Asked) -> Rows:
    return {"form": one.form, "examples": one.examples, "prompts": len(one.shots.lengths)}


def measure_swap(swap: Swap) -> Rows:
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
        **{cost: getattr(swap, cost) for cost in _COSTS},
        "agreement": float(agree.mean()),
        "accuracy": accuracy[1],
        "truth_accuracy": accuracy[0],
        "prompts": len(agree),
    }
