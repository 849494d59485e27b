"""GINC's in-context prompts as a task, with the construction that flips their answers.

Axes: N prompt, P position (BOS included), O symbol.
"""

import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from identjax.errors import ConfigError
from identjax.languages.definition import Definition
from identjax.languages.known.ginc import CONCEPTS, ENTITIES, SLOTS, Ginc, Parts
from identjax.languages.language import Language
from identjax.languages.prompts import PROMPT_SETS
from identjax.predictor import Predictor
from identjax.studies.in_context.chain import Chain
from identjax.studies.in_context.prompt_aware import make_prompt_aware
from identjax.studies.in_context.swapped import ANY, swap_gap, swap_on
from identjax.studies.in_context.tasks import TASKS, Shots, Swap, Task
from identjax.vocabulary import Tokens

# The numbers of examples and their lengths in the paper.
SHOTS = (0, 1, 2, 4, 8, 16, 32, 64, 128, 256)
LENGTHS = (3, 5, 8, 10)
PROMPTS_PER_SET = 64
SMOOTHINGS = (0.01, 0.1, 0.3)
# The construction needs a chain under which every prompt is possible.
SWAP_SMOOTHING = 0.1
LONGEST_PROMPT = 131
DRAWS = 512
JUDGED = 64
SHOWN = 16


class GincPrompts(NamedTuple):
    """In-context prompts [N, P], the concept of each [N], and the law of its answer [N, O]."""

    tokens: Tokens
    concepts: np.ndarray
    laws: np.ndarray


def draw_prompts(
    definition: Ginc, k: int, n: int, count: int, seed: int = 0, unseen: bool = False
) -> GincPrompts:
    """Draw prompts of n examples of k symbols each, a delimiter after each, then k−1 inputs.

    The start slot s~U{1..9} is fixed in a prompt; each example has a fresh entity and k−1 steps
    of T_θ. The answer y is told by p_θ(y | test input, slot s, uniform entity).
    """
    if k < 2 or n < 0 or n * (k + 1) + k - 1 > definition.max_length:
        raise ConfigError("examples", (k, n), f"at most {definition.max_length} symbols in all")
    p = definition.parts
    rng = np.random.default_rng((definition.seed, seed, k, n, int(unseen)))
    concepts = rng.integers(CONCEPTS, size=count) + CONCEPTS * int(unseen)
    slots = rng.integers(1, SLOTS, size=count)
    rows, laws = [], np.zeros((count, definition.words))
    for row, (concept, slot) in enumerate(zip(concepts, slots, strict=True)):
        shown = [_walk(rng, p, concept, slot, k) for _ in range(n)]
        test = _walk(rng, p, concept, slot, k - 1)
        rows.append([definition.vocabulary.bos, *(t for one in shown for t in (*one, 0)), *test])
        laws[row] = answer_law(p, int(concept), int(slot), test, definition.words)
    return GincPrompts(np.array(rows, np.int32), concepts, laws)


def _walk(rng: np.random.Generator, p: Parts, concept: int, slot: int, steps: int) -> list[int]:
    entity = int(rng.integers(ENTITIES))
    found = [int(p.memory[entity, slot])]
    for _ in range(steps - 1):
        entity = int(rng.choice(ENTITIES, p=p.v[entity]))
        slot = int(rng.choice(SLOTS, p=p.s[concept, slot]))
        found.append(int(p.memory[entity, slot]))
    return found


def answer_law(p: Parts, concept: int, slot: int, inputs: list[int], words: int) -> np.ndarray:
    """p_θ(y | inputs, start slot, uniform entity), [O]."""
    belief = np.zeros((ENTITIES, SLOTS))
    belief[:, slot] = 1 / ENTITIES
    for word in inputs:
        belief = np.where(p.memory == word, belief, 0)
        belief = p.v.T @ (belief / belief.sum()) @ p.s[concept]
    return np.bincount(p.memory.ravel(), belief.ravel(), words)


@dataclasses.dataclass(frozen=True)
class PromptSet:
    """A named set of in-context prompts, as text, drawn when it is asked for."""

    definition: Ginc
    k: int
    n: int
    unseen: bool

    def __iter__(self) -> Iterator[str]:
        drawn = draw_prompts(self.definition, self.k, self.n, PROMPTS_PER_SET, 0, self.unseen)
        return map(self.definition.vocabulary.decode, drawn.tokens)


@PROMPT_SETS.register("ginc")
def name_prompts(definition: Definition) -> Mapping[str, Iterable[str]]:
    """Name sets: icl_k3_n4 has 4 examples of 3 symbols, icl_ood_… other concepts."""
    assert isinstance(definition, Ginc)
    return {
        f"icl_{'ood_' if unseen else ''}k{k}_n{n}": PromptSet(definition, k, n, unseen)
        for unseen in (False, True)
        for k in LENGTHS
        for n in _fitting(k, definition.max_length)
    }


@dataclasses.dataclass(frozen=True)
class GincTask(Task):
    """Examples of k symbols, a delimiter after each, then k−1 inputs (Xie et al. 2022)."""

    definition: Ginc
    k: int

    @property
    def examples(self) -> tuple[int, ...]:
        return _fitting(self.k, self.definition.max_length - 1)

    def draw(self, examples: int, n: int, seed: int = 0) -> Shots:
        """Draw prompts of the pretraining concepts; the likeliest answer alone is right."""
        drawn = draw_prompts(self.definition, self.k, examples, n, seed)
        ids = np.arange(self.definition.vocabulary.size)
        law = np.pad(drawn.laws, ((0, 0), (0, len(ids) - self.definition.words)))
        right = ids[None] == drawn.laws.argmax(1)[:, None]
        lengths = np.full(n, drawn.tokens.shape[1])
        return Shots(drawn.tokens, lengths, ids < self.definition.words, right, law)

    def observers(self) -> Mapping[str, Predictor]:
        """Bayes that knows the format, and filters of smoothed chains that do not."""
        filters = {
            f"filter, smoothing {e:g}": dataclasses.replace(self.definition, smoothing=e).build()
            for e in SMOOTHINGS
        }
        return {"prompt-aware Bayes": make_prompt_aware(self.definition, self.k), **filters}

    def swaps(self) -> Mapping[int, Swap]:
        """Flip every string with the delimiters at the places of the format.

        The chain is that of the language, smoothed, and its documents are as long as prompts ask.
        """
        smoothing = self.definition.smoothing or SWAP_SMOOTHING
        longest = dataclasses.replace(
            self.definition, smoothing=smoothing, max_length=LONGEST_PROMPT + 1
        )
        return {n: _weigh(longest, self.k, n) for n in _fitting(self.k, LONGEST_PROMPT)}


@dataclasses.dataclass(frozen=True)
class TinyTask(GincTask):
    """The construction with 3 words and documents so short that all can be listed; no prompts."""

    @property
    def examples(self) -> tuple[int, ...]:
        """None: it is a check of the others, too small to ask learners."""
        return ()

    def swaps(self) -> Mapping[int, Swap]:
        """Flip, with every sum in full."""
        smoothing = self.definition.smoothing or SWAP_SMOOTHING
        tiny = dataclasses.replace(self.definition, smoothing=smoothing, max_length=6, words=3)
        return {n: _weigh_in_full(tiny, self.k, n) for n in _fitting(self.k, 5)}


def _fitting(k: int, longest: int) -> tuple[int, ...]:
    return tuple(n for n in SHOTS if n * (k + 1) + k - 1 <= longest)


def pattern_of(k: int, n: int) -> np.ndarray:
    """The format: a delimiter after each of n examples of k symbols, anything elsewhere."""
    return np.array([*([ANY] * k + [0]) * n, *[ANY] * (k - 1)])


def allowed_by(pattern_P: np.ndarray, words: int) -> np.ndarray:
    """The symbols that a pattern allows at each place, [P, O]."""
    return (pattern_P[:, None] == ANY) | (pattern_P[:, None] == np.arange(words))


def _weigh(definition: Ginc, k: int, n: int) -> Swap:
    """KL = p(B) E_{s∼p(·|B)} (p1−p2) ln(p1/p2): the mass is exact, the mean is over draws."""
    chain, pattern = Chain.of(definition), pattern_of(k, n)
    allowed = allowed_by(pattern, definition.words)
    drawn = chain.draw(allowed, DRAWS, np.random.default_rng((definition.seed, k, n)))
    gap = swap_gap(chain.laws(drawn)[:, -1])
    log_mass = chain.log_mass(allowed)
    mass, stderr = np.exp(log_mass), gap.std(ddof=1) / np.sqrt(DRAWS)
    kl_nats, kl_stderr = float(mass * gap.mean()), float(mass * stderr)
    found = _swap(chain, definition, pattern, drawn[:SHOWN], log_mass, kl_nats, kl_stderr)
    return found._replace(shots=GincTask(definition, k).draw(n, JUDGED))


def _weigh_in_full(definition: Ginc, k: int, n: int) -> Swap:
    """The same by the formula over all prompts, and Σ p ln(p/q) over all documents."""
    chain, pattern, words = Chain.of(definition), pattern_of(k, n), range(definition.words)
    documents = np.array(list(itertools.product(words, repeat=definition.max_length)))
    laws = chain.laws(documents)[:, :-1]
    allowed = allowed_by(pattern, definition.words)
    hit = allowed[np.arange(len(pattern)), documents[:, : len(pattern)]].all(1)
    flipped = laws.copy()
    flipped[hit, len(pattern)] = _exchange(laws[hit, len(pattern)])
    log_p, log_q = (_log_of_strings(law, documents) for law in (laws, flipped))
    kl_forward = float(np.exp(log_p) @ (log_p - log_q))
    prompts = np.unique(documents[hit, : len(pattern)], axis=0)
    read = chain.laws(prompts)
    p_of_prompts = np.exp(_log_of_strings(read[:, :-1], prompts))
    kl_nats = float(p_of_prompts @ swap_gap(read[:, -1]))
    log_mass = chain.log_mass(allowed)
    found = _swap(chain, definition, pattern, prompts, log_mass, kl_nats, 0.0)
    return found._replace(kl_forward=kl_forward)


def _swap(
    chain: Chain,
    definition: Ginc,
    pattern: np.ndarray,
    members: np.ndarray,
    log_mass: float,
    kl_nats: float,
    kl_stderr: float,
) -> Swap:
    truth = definition.build()
    bos = np.full((len(members), 1), truth.vocabulary.bos)
    tokens = np.concatenate([bos, members], 1).astype(np.int32)
    floor = chain.second_floor
    swapped = swap_on(truth, pattern[None])
    # One width for all numbers of examples, so that reading is compiled once.
    room = ((0, 0), (0, definition.max_length - len(pattern)))
    wide = np.pad(swapped.patterns, room, constant_values=truth.vocabulary.pad)
    swapped = dataclasses.replace(swapped, patterns=jnp.asarray(wide))
    return Swap(truth, swapped, tokens, log_mass, float(kl_nats), float(kl_stderr), floor)


def _exchange(law_NxO: np.ndarray) -> np.ndarray:
    order_Nx2 = np.argsort(-law_NxO, -1)[:, :2]
    found = law_NxO.copy()
    np.put_along_axis(found, order_Nx2, np.take_along_axis(law_NxO, order_Nx2[:, ::-1], -1), -1)
    return found


def _log_of_strings(laws_NxTxO: np.ndarray, symbols_NxT: np.ndarray) -> np.ndarray:
    p_NxT = np.take_along_axis(laws_NxTxO, symbols_NxT[..., None], -1)[..., 0]
    return np.log(p_NxT).sum(-1)


@TASKS.register("ginc")
def make_tasks(language: Language) -> Mapping[str, Task]:
    """The forms of the paper that fit, and the tiny one beside which they are checked."""
    definition = language.definition
    assert isinstance(definition, Ginc)
    fits = [k for k in LENGTHS if k <= definition.max_length]
    tasks: dict[str, Task] = {f"k={k}": GincTask(definition, k) for k in fits}
    return tasks | {"k=2, 3 words": TinyTask(definition, 2)}
