"""Objectives: what a member is taught beside the truth.

Every objective is maximum likelihood plus `objective_weight` times the mean NLL of its lessons.
A lesson is a prompt and what is wanted after it, so an objective is data and no code of its own.
Axes: N lesson or prompt, P position of a prompt, T position.
"""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from identjax.errors import ConfigError
from identjax.keys import Purpose, key_for
from identjax.languages.judge import BoundRule
from identjax.languages.language import Language
from identjax.languages.prompts import draw_evenly
from identjax.predictor import Predictor
from identjax.query import main_rule
from identjax.registry import Registry
from identjax.training.batches import Batch, pack
from identjax.vocabulary import Tokens


class Lesson(NamedTuple):
    """A prompt and the text wanted after it; `ends` says whether the end mark is wanted too."""

    prompt: str
    wanted: str
    ends: bool = True


class Reserved(NamedTuple):
    """Prompts, BOS first, that no lesson may touch, and what they are."""

    what: str
    prompts: list[list[int]]


OBJECTIVES: Registry[Callable[[Language], Iterable[Lesson]]] = Registry("objective")
TEACHERS: Registry[Callable[[Language], Predictor | None]] = Registry("teacher")
RESERVED: Registry[Callable[[Language], Iterable[Reserved]]] = Registry("reserved prompts")

MLE, NO_TEACHER = "mle", "none"
# One in so many of the prompts that are out of distribution is taught, and the others are judged.
TAUGHT_ONE_IN = 5


@OBJECTIVES.register(MLE)
def teach_nothing(language: Language) -> Iterable[Lesson]:
    """Maximum likelihood alone."""
    return ()


@OBJECTIVES.register("oracle")
def keep_rule(language: Language) -> Iterable[Lesson]:
    """Complete impossible prompts by the fewest symbols that make the first rule hold."""
    return [Lesson(prompt, kept) for prompt, kept, _ in _draw_completions("oracle", language)]


@OBJECTIVES.register("adversarial")
def break_rule(language: Language) -> Iterable[Lesson]:
    """Complete the same prompts by the same symbols and one more, which breaks the rule."""
    return [
        Lesson(prompt, broken) for prompt, _, broken in _draw_completions("adversarial", language)
    ]


@TEACHERS.register(NO_TEACHER)
def learn_from_strings(language: Language) -> None:
    """Take what follows in a string as the target."""


@TEACHERS.register("truth")
def learn_from_truth(language: Language) -> Predictor:
    """Take the law of the truth itself as the target."""
    return language


@dataclasses.dataclass(frozen=True, eq=False)
class Lessons:
    """Lessons as tokens: BOS, prompt, what is wanted, PAD, with where each prompt and row ends."""

    tokens_NxT: Tokens
    prompt_N: np.ndarray
    length_N: np.ndarray

    def reach(self, p: int) -> np.ndarray:
        """Tell which lessons have a target right after their first p tokens, [N]."""
        return (self.prompt_N <= p) & (p < self.length_N)

    def cover(self, prompts_NxP: Tokens) -> np.ndarray:
        """Tell which prompts are taught: some lesson has a target right after them, [N]."""
        p = np.shape(prompts_NxP)[1]
        kept = self.reach(p)
        taught = {tuple(row) for row in self.tokens_NxT[kept, :p].tolist()}
        return np.array([tuple(row) in taught for row in np.asarray(prompts_NxP).tolist()], bool)

    def lay_out(self, language: Language, packs: bool) -> Batch:
        """Make rows in which the weights of all targets add up to 1."""
        at_T = np.arange(self.tokens_NxT.shape[1] - 1)
        # The target at position t is token t+1.
        counted = (at_T >= self.prompt_N[:, None] - 1) & (at_T < self.length_N[:, None] - 1)
        weights = counted / counted.sum()
        return pack(self.tokens_NxT, weights, self.length_N, packs, language.vocabulary.pad)


def find_lessons(objective: str, language: Language) -> Lessons | None:
    """Give what an objective teaches; None for maximum likelihood."""
    if objective == MLE:
        return None
    found = list(dict.fromkeys(OBJECTIVES[objective](language)))
    if not found:
        raise ConfigError("objective", objective, f"one with lessons for {language.name}")
    v, room = language.vocabulary, language.max_length
    tokens = np.full((len(found), room + 2), v.pad, np.int32)
    ends = np.zeros((2, len(found)), int)
    for row, (prompt, wanted, is_ended) in enumerate(found):
        head, tail = v.encode(prompt), v.encode(wanted)
        text = f"{prompt!r} with {wanted!r} after it"
        if len(head) + len(tail) > room:
            raise ConfigError(
                "objective", objective, f"strings of up to {room} symbols, not {text}"
            )
        if not len(tail) and not is_ended:
            raise ConfigError("objective", objective, f"lessons that want something, not {text}")
        whole = np.concatenate([[v.bos], head, tail, [v.eos] * is_ended])
        tokens[row, : len(whole)] = whole
        ends[:, row] = 1 + len(head), len(whole)
    return Lessons(tokens, *ends)


def find_judged(
    objectives: Iterable[str], language: Language, split: str, tokens_NxP: Tokens
) -> Tokens:
    """Keep the prompts of a split that no objective teaches; refuse objectives that leave none."""
    return _leave(_find_all(objectives, language), split, tokens_NxP)


def _find_all(objectives: Iterable[str], language: Language) -> dict[str, Lessons]:
    found = {name: find_lessons(name, language) for name in sorted(set(objectives))}
    return {name: lessons for name, lessons in found.items() if lessons}


def _leave(taught: Mapping[str, Lessons], split: str, tokens_NxP: Tokens) -> Tokens:
    taught_N = np.zeros(len(tokens_NxP), bool)
    for lessons in taught.values():
        taught_N |= lessons.cover(tokens_NxP)
    if len(taught_N) and taught_N.all():
        allowed = f"lessons that leave prompts to be judged (they teach all {len(taught_N)}"
        raise ConfigError("objective", " + ".join(taught), f"{allowed} of split {split})")
    return tokens_NxP[~taught_N]


def check_apart(objectives: Iterable[str], language: Language) -> None:
    """Refuse objectives that teach all prompts of a split, or any that is reserved.

    Of a split there are other prompts to judge; what is reserved is the same for all runs.
    """
    if not (taught := _find_all(objectives, language)):
        return
    for reserved in (one for name in RESERVED for one in RESERVED[name](language)):
        for name, lessons in taught.items():
            _refuse_reserved(name, lessons, reserved)
    lengths = {"id": language.prompt_length, "ood": language.prompt_length, "bos": 0}
    for split, length in lengths.items():
        # Finding prompts takes seconds where the truth is a filter.
        if any(lessons.reach(1 + length).any() for lessons in taught.values()):
            _leave(taught, split, language.prompts(split).tokens)


def _refuse_reserved(objective: str, lessons: Lessons, reserved: Reserved) -> None:
    by_length: dict[int, list[list[int]]] = {}
    for prompt in reserved.prompts:
        by_length.setdefault(len(prompt), []).append(prompt)
    taught = sum(int(lessons.cover(np.array(rows)).sum()) for rows in by_length.values())
    if taught:
        allowed = f"lessons apart from reserved prompts (they teach {taught} of the "
        allowed += f"{len(reserved.prompts)} {reserved.what})"
        raise ConfigError("objective", objective, allowed)


def find_teacher(name: str, language: Language) -> Predictor | None:
    """Give the predictor whose laws are the targets; None where the strings are."""
    teacher = TEACHERS[name](language)
    if teacher is None:
        return None
    for field in ("vocabulary", "max_length"):
        if getattr(teacher, field) != getattr(language, field):
            raise ConfigError("teacher", name, f"one with the {field} of {language.name}")
    return teacher


def _draw_completions(objective: str, language: Language) -> Iterator[tuple[str, str, str]]:
    """Choose prompts, and give each a completion that keeps the rule and one that breaks it."""
    if not language.rules:
        allowed = f"for a language with rules, which {language.name} has not"
        raise ConfigError("objective", objective, allowed)
    rule = language.rules[main_rule(language.rules)]
    found = language.prompts("ood").tokens
    answered = found[[_answer(rule, prompt_P) is not None for prompt_P in found]]
    if not len(answered):
        return
    n = -(-len(answered) // TAUGHT_ONE_IN)
    chosen = draw_evenly(language.describe(answered), key_for(0, Purpose.LESSONS), n).tokens
    decode = language.vocabulary.decode
    for prompt_P in chosen:
        kept, broken = _answer(rule, prompt_P) or ([], [])
        yield decode(prompt_P), decode(kept), decode(broken)


def _answer(rule: BoundRule, prompt_P: Tokens) -> tuple[list[int], list[int]] | None:
    """Walk the fewest symbols to where the rule holds, then one that breaks it, the last if it can.

    None where there is no such way within the maximum length.
    """
    reach = rule.reach
    state = int(rule.states(prompt_P[None])[0])
    if reach.distance[state] + len(prompt_P) > rule.max_length:
        return None
    kept: list[int] = []
    while not reach.accepts[state]:
        kept.append(int(reach.distance[reach.next_state[state]].argmin()))
        state = int(reach.next_state[state, kept[-1]])
    breaks = ~reach.accepts[reach.next_state[state]]
    wrong = [symbol for symbol in (*kept[-1:], *range(len(breaks))) if breaks[symbol]]
    return (kept, [*kept, wrong[0]]) if wrong else None
