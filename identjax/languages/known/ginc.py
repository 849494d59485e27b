"""GINC: documents of a mixture of HMMs, and the in-context prompts made from its concepts.

Axes: K concept, A entity, B slot, N prompt.
"""

import dataclasses
import functools
from collections.abc import Iterable, Iterator, Mapping
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.nn import logsumexp

from identjax.errors import ConfigError
from identjax.languages.definition import ListedFamily, register
from identjax.languages.known.hmm import Hmm, log_of
from identjax.languages.law.brackets import DEAD, FRESH, READING, place_marks
from identjax.languages.rules import Rule
from identjax.predictor import Predictor, State
from identjax.studies.in_context.tasks import Task
from identjax.vocabulary import Tokens, Vocabulary

ENTITIES = SLOTS = 10
CONCEPTS = 5
SHOTS = (0, 1, 2, 4, 8, 16, 32, 64, 128, 256)
LENGTHS = (3, 5, 8, 10)
PROMPTS_PER_SET = 64


class Parts(NamedTuple):
    """What a seed draws: memory [A, B], V [A, A], S [2K, B, B], start [2K, A, B]; the first K
    concepts are for pretraining, the others for out-of-distribution prompts.
    """

    memory: np.ndarray
    v: np.ndarray
    s: np.ndarray
    start: np.ndarray


def draw_parts(seed: int, words: int) -> Parts:
    """Draw memory, transitions and starts as GINC does (Xie et al. 2022)."""
    rng = np.random.default_rng(seed)
    memory = rng.integers(1, words, size=(ENTITIES, SLOTS))
    memory[:, 0] = 0
    v = 0.1 * _draw_block(rng) + 0.9 * np.eye(ENTITIES)
    s = np.stack([_draw_block(rng) for _ in range(2 * CONCEPTS)])
    start = _softmax((rng.random((2 * CONCEPTS, ENTITIES * SLOTS)) - 0.5) / 10)
    return Parts(memory, v, s, start.reshape(-1, ENTITIES, SLOTS))


def _draw_block(rng: np.random.Generator) -> np.ndarray:
    weights = _softmax((rng.random(10) - 0.5) / 0.1)
    found: np.ndarray = sum(w * np.eye(10)[rng.permutation(10)] for w in weights)
    return found


def _softmax(x: np.ndarray) -> np.ndarray:
    raised = np.exp(x - x.max(-1, keepdims=True))
    found: np.ndarray = raised / raised.sum(-1, keepdims=True)
    return found


@register("ginc")
@dataclasses.dataclass(frozen=True)
class Ginc(ListedFamily):
    """Documents of exactly L symbols from one of 5 HMMs over 100 states (Xie et al. 2022).

    State h = (entity v, slot s) emits M[v, s], slot 0 the delimiter "0"; T_θ = V ⊗ S_θ. A third
    of the entries of S_θ and V are 0, so that most prompts of several examples have probability
    0 under every concept; smoothing = ε > 0 gives the filter with (1−ε) T + ε/100.
    """

    words: int = 50
    seed: int = 0
    smoothing: float = 0.0
    chomsky: ClassVar[str] = "regular (weighted)"

    def check(self) -> None:
        """Refuse sizes out of range."""
        if type(self.words) is not int or not 2 <= self.words <= 10_000:
            raise ConfigError("words", self.words, "2 to 10000, the delimiter among them")
        if type(self.seed) is not int or self.seed < 0:
            raise ConfigError("seed", self.seed, "a whole number, 0 or more")
        if not 0 <= self.smoothing < 1:
            raise ConfigError("smoothing", self.smoothing, "at least 0 and below 1")

    @property
    def symbols(self) -> tuple[str, ...]:
        """Numbers; 0 is the delimiter."""
        return tuple(str(i) for i in range(self.words))

    @functools.cached_property
    def parts(self) -> Parts:
        """What the seed draws."""
        return draw_parts(self.seed, self.words)

    @functools.cached_property
    def length_probs(self) -> np.ndarray:
        """All documents are of length L."""
        return np.append(np.zeros(self.max_length), 1.0)

    @property
    def rules(self) -> Mapping[str, Rule]:
        """None."""
        return {}

    @property
    def published(self) -> Mapping[str, Iterable[str]]:
        """In-context prompts: icl_k3_n4 has 4 examples of 3 symbols, icl_ood_… other concepts."""
        fits = [(k, n) for k in LENGTHS for n in SHOTS if n * (k + 1) + k - 1 <= self.max_length]
        return {
            f"icl_{'ood_' if unseen else ''}k{k}_n{n}": PromptSet(self, k, n, unseen)
            for unseen in (False, True)
            for k, n in fits
        }

    @property
    def in_context(self) -> Mapping[str, Task]:
        """Each length of examples is a form."""
        from identjax.studies.in_context.ginc_tasks import make_tasks

        return make_tasks(self)

    def build(self) -> Predictor:
        """The exact filter over the five pretraining concepts."""
        p, length = self.parts, self.max_length
        emit = np.zeros((ENTITIES, SLOTS, self.words))
        np.put_along_axis(emit, p.memory[..., None], 1, axis=-1)
        return Hmm(
            log_of(p.start[:CONCEPTS] / CONCEPTS),
            log_of(p.v),
            log_of(p.s[:CONCEPTS]),
            log_of(emit),
            log_of(np.arange(length + 1) == length),
            log_of(np.arange(length + 1) < length),
            jnp.float32(self.smoothing),
            Vocabulary(self.symbols),
            length,
        )


class InContext(NamedTuple):
    """In-context prompts [N, 1+P] with the right answer, slot and concept of each [N]."""

    tokens: Tokens
    labels: np.ndarray
    slots: np.ndarray
    concepts: np.ndarray


def draw_in_context(
    family: Ginc, k: int, n: int, count: int, seed: int = 0, unseen: bool = False
) -> InContext:
    """Draw prompts of n examples of k symbols each, a delimiter after each, then k−1 inputs.

    The start slot s~U{1..9} is fixed in a prompt; each example has a fresh entity and k−1 steps
    of T_θ. The label is argmax_y p_θ(y | test input, slot s, uniform entity).
    """
    if k < 2 or n < 0 or n * (k + 1) + k - 1 > family.max_length:
        raise ConfigError("examples", (k, n), f"at most {family.max_length} symbols in all")
    p = family.parts
    rng = np.random.default_rng((family.seed, seed, k, n, int(unseen)))
    concepts = rng.integers(CONCEPTS, size=count) + CONCEPTS * int(unseen)
    slots = rng.integers(1, SLOTS, size=count)
    rows, labels = [], []
    for concept, slot in zip(concepts, slots, strict=True):
        shown = [_walk(rng, p, concept, slot, k) for _ in range(n)]
        test = _walk(rng, p, concept, slot, k - 1)
        rows.append([family.words + 1, *(t for one in shown for t in (*one, 0)), *test])
        labels.append(int(answer_law(p, int(concept), int(slot), test).argmax()))
    return InContext(np.array(rows, np.int32), np.array(labels), slots, concepts)


def _walk(rng: np.random.Generator, p: Parts, concept: int, slot: int, steps: int) -> list[int]:
    entity = int(rng.integers(ENTITIES))
    found = [int(p.memory[entity, slot])]
    for _ in range(steps - 1):
        entity = int(rng.choice(ENTITIES, p=p.v[entity]))
        slot = int(rng.choice(SLOTS, p=p.s[concept, slot]))
        found.append(int(p.memory[entity, slot]))
    return found


def answer_law(p: Parts, concept: int, slot: int, inputs: list[int]) -> np.ndarray:
    """p_θ(y | inputs, start slot, uniform entity) over all words, [O]."""
    belief = np.zeros((ENTITIES, SLOTS))
    belief[:, slot] = 1 / ENTITIES
    for word in inputs:
        belief = np.where(p.memory == word, belief, 0)
        belief = p.v.T @ (belief / belief.sum()) @ p.s[concept]
    return np.bincount(p.memory.ravel(), belief.ravel())


@dataclasses.dataclass(frozen=True)
class PromptSet:
    """A named set of in-context prompts, as text, drawn when it is asked for."""

    family: Ginc
    k: int
    n: int
    unseen: bool

    def __iter__(self) -> Iterator[str]:
        """Go through the prompts."""
        drawn = draw_in_context(self.family, self.k, self.n, PROMPTS_PER_SET, 0, self.unseen)
        return iter([" ".join(map(str, row[1:])) for row in drawn.tokens.tolist()])


class Examples(NamedTuple):
    """Belief in the current example by concept and start slot [K, S, A, B], place in it, mode."""

    log_belief: jax.Array
    place: jax.Array
    mode: jax.Array


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class PromptAware(Predictor):
    """Exact Bayes for in-context prompts of examples of k symbols with a delimiter after each.

    The prior is uniform over concept and start slot s~U{1..9}; each example starts afresh at
    slot s with a uniform entity. Where the plain filter is undefined, this is not.
    """

    core: Hmm
    log_fresh: jax.Array
    k: int = dataclasses.field(metadata={"static": True})

    @property
    def vocabulary(self) -> Vocabulary:  # type: ignore[override]
        """That of the language."""
        return self.core.vocabulary

    @property
    def max_length(self) -> int:  # type: ignore[override]
        """That of the language."""
        return self.core.max_length

    def start(self) -> State:
        """Start with the prior."""
        concepts = self.core.log_start.shape[0]
        size = concepts * self.log_fresh.shape[0]
        log_b = jnp.broadcast_to(self.log_fresh[None], (concepts, *self.log_fresh.shape))
        return Examples(log_b - np.float32(np.log(size)), jnp.int32(0), jnp.int32(FRESH))

    def advance(self, state: State, token: jax.Array) -> State:
        """Condition on a symbol of an example; at a delimiter begin the next."""
        v = self.vocabulary
        at_end = state.place == self.k
        symbol = (token >= 0) & (token < v.eos)
        emits_AxB = self.core.log_emit[:, :, jnp.where(symbol, token, 0)]
        seen = state.log_belief + emits_AxB[None, None]
        total = logsumexp(seen)
        seen = seen - jnp.where(total > -jnp.inf, total, 0)
        moved = jax.vmap(self.core.propagate, in_axes=1, out_axes=1)(seen)
        mass_KxS = logsumexp(state.log_belief, axis=(2, 3))
        again = mass_KxS[:, :, None, None] + self.log_fresh[None]
        reads = jnp.where(at_end, token == 0, (total > -jnp.inf) & symbol)
        reads = reads & (state.mode == READING)
        begins = (state.mode == FRESH) & (token == v.bos)
        mode = jnp.where(begins | reads, READING, DEAD)
        after = jnp.where(at_end, again, moved)
        place = jnp.where(at_end, 0, state.place + 1)
        return Examples(
            jnp.where(reads, after, state.log_belief),
            jnp.where(reads, place, state.place),
            mode.astype(jnp.int32),
        )

    def log_probs(self, state: State) -> jax.Array:
        """The law of the next symbol; the delimiter after k of them. Prompts have no end."""
        law_O = self.core.emit(logsumexp(state.log_belief, axis=(0, 1)))
        delimiter_O = jnp.where(jnp.arange(law_O.shape[0]) == 0, 0, -jnp.inf).astype(law_O.dtype)
        law_O = jnp.where(state.place == self.k, delimiter_O, law_O - logsumexp(law_O))
        no_end = jnp.asarray(-jnp.inf, law_O.dtype)
        return place_marks(self.vocabulary, law_O, no_end, state.mode)

    def log_concepts(self, state: State) -> jax.Array:
        """Log of the posterior over concepts, [K]."""
        mass_K = logsumexp(state.log_belief, axis=(1, 2, 3))
        return mass_K - logsumexp(mass_K)


def make_prompt_aware(family: Ginc, k: int, smoothing: float | None = None) -> PromptAware:
    """Make the prompt-aware observer of a GINC language for examples of k symbols."""
    if type(k) is not int or k < 1:
        raise ConfigError("k", k, "a whole number, at least 1")
    core = family.build()
    assert isinstance(core, Hmm)
    if smoothing is not None:
        core = dataclasses.replace(core, smoothing=jnp.float32(smoothing))
    fresh = np.zeros((SLOTS - 1, ENTITIES, SLOTS))
    for s in range(1, SLOTS):
        fresh[s - 1, :, s] = 1 / ENTITIES
    return PromptAware(core, log_of(fresh), k)
