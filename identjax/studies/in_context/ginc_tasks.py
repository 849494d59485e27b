"""GINC's in-context prompts as a task, with the construction that flips their answers."""

import dataclasses
import itertools
from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np

from identjax.languages.known.ginc import (
    LENGTHS,
    SHOTS,
    Ginc,
    answer_law,
    draw_in_context,
    make_prompt_aware,
)
from identjax.predictor import Predictor
from identjax.studies.in_context.chain import Chain
from identjax.studies.in_context.swapped import ANY, swap_gap, swap_on
from identjax.studies.in_context.tasks import Shots, Swap, Task

SMOOTHINGS = (0.01, 0.1, 0.3)
# The construction needs a chain under which every prompt is possible.
SWAP_SMOOTHING = 0.1
LONGEST_PROMPT = 131
DRAWS = 512
JUDGED = 64
SHOWN = 16


@dataclasses.dataclass(frozen=True)
class GincTask(Task):
    """Examples of k symbols, a delimiter after each, then k−1 inputs (Xie et al. 2022)."""

    family: Ginc
    k: int

    @property
    def examples(self) -> tuple[int, ...]:
        """Those of the paper."""
        return _fitting(self.k, self.family.max_length - 1)

    def draw(self, examples: int, n: int, seed: int = 0) -> Shots:
        """Draw prompts of the pretraining concepts; the label alone is right."""
        family, v = self.family, self.family.words + 3
        drawn = draw_in_context(family, self.k, examples, n, seed)
        law = np.zeros((n, v))
        inputs = drawn.tokens[:, -(self.k - 1) :].tolist()
        for row, (concept, slot, test) in enumerate(
            zip(drawn.concepts.tolist(), drawn.slots.tolist(), inputs, strict=True)
        ):
            found = answer_law(family.parts, concept, slot, test)
            law[row, : len(found)] = found
        right = np.arange(v)[None] == drawn.labels[:, None]
        lengths = np.full(n, drawn.tokens.shape[1])
        return Shots(drawn.tokens, lengths, np.arange(v) < family.words, right, law)

    def observers(self) -> Mapping[str, Predictor]:
        """Bayes that knows the format, and filters of smoothed chains that do not."""
        filters = {
            f"filter, smoothing {e:g}": dataclasses.replace(self.family, smoothing=e).build()
            for e in SMOOTHINGS
        }
        return {"prompt-aware Bayes": make_prompt_aware(self.family, self.k), **filters}

    def swaps(self) -> Mapping[int, Swap]:
        """Flip every string with the delimiters at the places of the format.

        The chain is that of the language, smoothed, and its documents are as long as prompts ask.
        """
        smoothing = self.family.smoothing or SWAP_SMOOTHING
        longest = dataclasses.replace(
            self.family, smoothing=smoothing, max_length=LONGEST_PROMPT + 1
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
        smoothing = self.family.smoothing or SWAP_SMOOTHING
        tiny = dataclasses.replace(self.family, smoothing=smoothing, max_length=6, words=3)
        return {n: _weigh_in_full(tiny, self.k, n) for n in _fitting(self.k, 5)}


def _fitting(k: int, longest: int) -> tuple[int, ...]:
    return tuple(n for n in SHOTS if n * (k + 1) + k - 1 <= longest)


def pattern_of(k: int, n: int) -> np.ndarray:
    """The format: a delimiter after each of n examples of k symbols, anything elsewhere."""
    return np.array([*([ANY] * k + [0]) * n, *[ANY] * (k - 1)])


def allowed_by(pattern_P: np.ndarray, words: int) -> np.ndarray:
    """The symbols that a pattern allows at each place, [P, O]."""
    found: np.ndarray = (pattern_P[:, None] == ANY) | (pattern_P[:, None] == np.arange(words))
    return found


def _weigh(family: Ginc, k: int, n: int) -> Swap:
    """KL = p(B) E_{s∼p(·|B)} (p1−p2) ln(p1/p2): the mass is exact, the mean is over draws."""
    chain, pattern = Chain.of(family), pattern_of(k, n)
    allowed = allowed_by(pattern, family.words)
    drawn = chain.draw(allowed, DRAWS, np.random.default_rng((family.seed, k, n)))
    gap = swap_gap(chain.laws(drawn)[:, -1])
    log_mass = chain.log_mass(allowed)
    mass, stderr = np.exp(log_mass), gap.std(ddof=1) / np.sqrt(DRAWS)
    kl_nats, kl_stderr = float(mass * gap.mean()), float(mass * stderr)
    found = _swap(chain, family, pattern, drawn[:SHOWN], log_mass, kl_nats, kl_stderr)
    return found._replace(shots=GincTask(family, k).draw(n, JUDGED))


def _weigh_in_full(family: Ginc, k: int, n: int) -> Swap:
    """The same by the formula over all prompts, and Σ p ln(p/q) over all documents."""
    chain, pattern = Chain.of(family), pattern_of(k, n)
    documents = np.array(list(itertools.product(range(family.words), repeat=family.max_length)))
    laws = chain.laws(documents)[:, :-1]
    inside = allowed_by(pattern, family.words)[
        np.arange(len(pattern)), documents[:, : len(pattern)]
    ]
    hit = inside.all(1)
    flipped = laws.copy()
    flipped[hit, len(pattern)] = _exchange(laws[hit, len(pattern)])
    log_p, log_q = (_log_of_strings(law, documents) for law in (laws, flipped))
    forward = float(np.exp(log_p) @ (log_p - log_q))
    prompts = np.unique(documents[hit, : len(pattern)], axis=0)
    read = chain.laws(prompts)
    p_of_prompts = np.exp(_log_of_strings(read[:, :-1], prompts))
    kl_nats = float(p_of_prompts @ swap_gap(read[:, -1]))
    log_mass = chain.log_mass(allowed_by(pattern, family.words))
    found = _swap(chain, family, pattern, prompts, log_mass, kl_nats, 0.0)
    return found._replace(forward=forward)


def _swap(
    chain: Chain,
    family: Ginc,
    pattern: np.ndarray,
    members: np.ndarray,
    log_mass: float,
    kl_nats: float,
    kl_stderr: float,
) -> Swap:
    truth = family.build()
    bos = np.full((len(members), 1), truth.vocabulary.bos)
    tokens = np.concatenate([bos, members], 1).astype(np.int32)
    floor = chain.second_floor
    swapped = swap_on(truth, pattern[None])
    # One width for all numbers of examples, so that reading is compiled once.
    room = ((0, 0), (0, family.max_length - len(pattern)))
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
    found: np.ndarray = np.log(p_NxT).sum(-1)
    return found


def make_tasks(family: Ginc) -> dict[str, Task]:
    """The forms of the paper that fit, and the tiny one beside which they are checked."""
    fits = [k for k in LENGTHS if k <= family.max_length]
    tasks: dict[str, Task] = {f"k={k}": GincTask(family, k) for k in fits}
    return tasks | {"k=2, 3 words": TinyTask(family, 2)}
