"""GINC: documents of a mixture of HMMs. Axes: K concept, A entity, B slot."""

import dataclasses
import functools
from typing import ClassVar, NamedTuple

import jax.numpy as jnp
import numpy as np

from identjax.errors import ConfigError
from identjax.languages.definition import ListedDefinition, register
from identjax.languages.known.hmm import Hmm
from identjax.languages.law.base import as_log_leaf
from identjax.predictor import Predictor

ENTITIES = SLOTS = 10
CONCEPTS = 5


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
    return sum((w * np.eye(10)[rng.permutation(10)] for w in weights), np.zeros((10, 10)))


def _softmax(x: np.ndarray) -> np.ndarray:
    raised = np.exp(x - x.max(-1, keepdims=True))
    return raised / raised.sum(-1, keepdims=True)


@register("ginc")
@dataclasses.dataclass(frozen=True)
class Ginc(ListedDefinition):
    """Documents of exactly L symbols from one of 5 HMMs over 100 states (Xie et al. 2022).

    State h = (entity v, slot s) emits M[v, s], slot 0 the delimiter "0"; T_θ = V ⊗ S_θ. A third
    of the entries of S_θ and V are 0, so that most prompts of several examples have probability
    0 under every concept; smoothing = ε > 0 gives the filter with (1−ε) T + ε/100.
    """

    words: int = 50
    seed: int = 0
    smoothing: float = 0.0
    chomsky: ClassVar[str] = "regular (weighted)"
    why_no_rules: ClassVar[str] = "None."

    def check(self) -> None:
        self.check_whole(words=(2, 10_000), seed=(0, 2**64))
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

    def build(self) -> Predictor:
        """The exact filter over the five pretraining concepts."""
        p, length = self.parts, self.max_length
        emit = np.zeros((ENTITIES, SLOTS, self.words))
        np.put_along_axis(emit, p.memory[..., None], 1, axis=-1)
        stop = np.arange(length + 1) == length
        laws = p.start[:CONCEPTS] / CONCEPTS, p.v, p.s[:CONCEPTS], emit, stop, ~stop
        leaves = *map(as_log_leaf, laws), jnp.float32(self.smoothing)
        return Hmm(self.vocabulary, length, *leaves)
