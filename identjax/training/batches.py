"""What a step trains on: static rows, in which no position is spent that need not be.

Rows hold inputs and the targets that follow them; several strings may share a row, each with its
BOS first. Weights are 0 where there is no target. Axes: R row, T position.
"""

import abc
import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from identjax.languages.definition import LengthSampler
from identjax.languages.language import Language
from identjax.predictor import Predictor
from identjax.vocabulary import Tokens


class Batch(NamedTuple):
    """Rows of inputs, their targets, and the weight of each target; weights of a batch of whole
    strings add up to about their mean number of targets. A teacher's laws stand for the targets.
    """

    inputs_RxT: jax.Array
    targets_RxT: jax.Array
    weights_RxT: jax.Array
    laws_RxTxV: jax.Array | None = None


class Batches(abc.ABC):
    """A source of batches: a pytree, shared by all members of a group."""

    @abc.abstractmethod
    def draw(self, key: jax.Array) -> Batch:
        """Give the batch of one key."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class WholeSupport(Batches):
    """Every string of a small support at each step, weighted by its probability, packed."""

    batch: Batch

    def draw(self, key: jax.Array) -> Batch:
        return self.batch


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Draws(Batches):
    """Independent fresh draws from the language, one string a row."""

    language: Language
    teacher: Predictor | None
    size: int = dataclasses.field(metadata={"static": True})

    def draw(self, key: jax.Array) -> Batch:
        tokens_BxT = self.language.sample(key, self.size)
        targets_BxT = tokens_BxT[:, 1:]
        counted_BxT = targets_BxT != self.language.vocabulary.pad
        weights_BxT = counted_BxT.astype(jnp.float32) / self.size
        laws_BxTxV = read_laws(self.teacher, tokens_BxT)
        return Batch(tokens_BxT[:, :-1], targets_BxT, weights_BxT, laws_BxTxV)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Strata(Batches):
    """Fresh draws, one from each stratum of the law of lengths, packed by the strata's longest.

    String i of B has length F⁻¹((i + u)/B) with u uniform, and is a draw given its length, so the
    mean over a batch is that of independent draws with less variance, and rows have static shapes.
    `source_RxT` and `offset_RxT` say which string and which of its tokens stands where.
    """

    sampler: LengthSampler
    teacher: Predictor | None
    cumulative_L: jax.Array
    longest_B: jax.Array
    source_RxT: jax.Array
    offset_RxT: jax.Array
    size: int = dataclasses.field(metadata={"static": True})
    pad: int = dataclasses.field(metadata={"static": True})

    def draw(self, key: jax.Array) -> Batch:
        strata_B = jnp.arange(self.size, dtype=jnp.float32)
        share_B = jax.random.uniform(jax.random.fold_in(key, 0), (self.size,))
        quantile_B = (strata_B + share_B) / self.size
        lengths_B = jnp.searchsorted(self.cumulative_L, quantile_B, side="right").astype(jnp.int32)
        # Rounding must not lift a draw over the room of its stratum.
        lengths_B = jnp.minimum(lengths_B, self.longest_B)
        tokens_BxT = self.sampler.sample(jax.random.fold_in(key, 1), lengths_B)
        placed_RxT = self.source_RxT >= 0
        inputs_RxT = tokens_BxT[self.source_RxT, self.offset_RxT]
        targets_RxT = tokens_BxT[self.source_RxT, self.offset_RxT + 1]
        counted_RxT = placed_RxT & (targets_RxT != self.pad)
        inputs_RxT = jnp.where(placed_RxT, inputs_RxT, self.pad)
        weights_RxT = counted_RxT.astype(jnp.float32) / self.size
        targets_RxT = jnp.where(counted_RxT, targets_RxT, self.pad)
        laws_BxTxV = read_laws(self.teacher, tokens_BxT)
        laws_RxTxV = None if laws_BxTxV is None else laws_BxTxV[self.source_RxT, self.offset_RxT]
        return Batch(inputs_RxT, targets_RxT, weights_RxT, laws_RxTxV)


def read_laws(teacher: Predictor | None, tokens_BxT: jax.Array) -> jax.Array | None:
    """Give a teacher's law of every target of some strings, [B, T−1, V]."""
    return None if teacher is None else jnp.exp(teacher.score(tokens_BxT[:, :-1]))


def make_batches(
    language: Language, batching: str, size: int, packs: bool, teacher: Predictor | None = None
) -> Batches:
    """Build the batches that a member's configuration asks for."""
    if batching == "support":
        found = language.support()
        assert found is not None, "checked when the member was resolved"
        tokens, log_p = found
        pad = language.vocabulary.pad
        weights = np.exp(log_p)[:, None] * (tokens[:, 1:] != pad)
        laws = read_laws(teacher, jnp.asarray(tokens))
        return WholeSupport(pack(tokens, weights, (tokens != pad).sum(1), packs, pad, laws))
    if batching == "stratified":
        return stratify(language, size, packs, teacher)
    return Draws(language, teacher, size)


def stratify(language: Language, size: int, packs: bool, teacher: Predictor | None) -> Strata:
    """Lay out the strata: each has the room of the longest string that it can draw."""
    cumulative = np.cumsum(language.length_probs)
    ends = np.minimum((np.arange(size) + 1) / size, cumulative[-1])
    longest = np.searchsorted(cumulative, ends)
    source, offset = lay_out(longest + 1, packs)
    return Strata(
        language.by_length,
        teacher,
        jnp.asarray(cumulative, jnp.float32),
        jnp.asarray(longest, jnp.int32),
        jnp.asarray(source),
        jnp.asarray(offset),
        size,
        language.vocabulary.pad,
    )


def pack(
    tokens_SxT: Tokens,
    weights_SxT: np.ndarray,
    length_S: np.ndarray,
    packs: bool,
    pad: int,
    laws_SxTxV: jax.Array | None = None,
) -> Batch:
    """Lay strings of so many tokens out in rows of one length, first fit, longest first.

    The weight (and the law) at t is that of the token after t.
    """
    source, offset = lay_out(length_S - 1, packs)
    placed = source >= 0
    inputs = np.where(placed, tokens_SxT[source, offset], pad)
    targets = np.where(placed, tokens_SxT[source, offset + 1], pad)
    weights = np.where(placed, weights_SxT[source, offset], 0)
    whole = jnp.asarray(inputs, np.int32), jnp.asarray(targets, np.int32)
    batch = Batch(*whole, jnp.asarray(weights, np.float32))
    if laws_SxTxV is None:
        return batch
    laws = np.where(placed[..., None], np.asarray(laws_SxTxV)[source, offset], 0)
    return batch._replace(laws_RxTxV=jnp.asarray(laws, np.float32))


def lay_out(room: np.ndarray, packs: bool) -> tuple[np.ndarray, np.ndarray]:
    """Say which string and which of its tokens stands where in the rows; -1 where none does."""
    longest = int(room.max())
    # The row length that leaves the fewest positions, from one piece to two.
    capacities = range(longest, 2 * longest + 1) if packs else (longest,)
    fits = ((capacity, *fit(room, capacity, packs)) for capacity in capacities)
    capacity, rows, places = min(fits, key=lambda one: one[0] * one[1])
    source = np.full((rows, capacity), -1, np.int32)
    offset = np.zeros((rows, capacity), np.int32)
    for i, (row, at) in enumerate(places):
        source[row, at : at + room[i]] = i
        offset[row, at : at + room[i]] = np.arange(room[i])
    return source, offset


def draw_rows(batch: Batch, key: jax.Array, n: int) -> Batch:
    """Draw n rows where there are more; on average the weights add up as before."""
    rows = len(batch.inputs_RxT)
    if rows <= n:
        return batch
    chosen_N = jax.random.choice(key, rows, (n,), replace=False)
    drawn = jax.tree.map(lambda leaf: leaf[chosen_N], batch)
    return drawn._replace(weights_RxT=drawn.weights_RxT * (rows / n))


def fit(lengths: np.ndarray, capacity: int, packs: bool) -> tuple[int, list[tuple[int, int]]]:
    """Give the number of rows that pieces take, and a row and an offset for each piece."""
    used: list[int] = []
    places = [(0, 0)] * len(lengths)
    for s in np.argsort(-lengths, kind="stable"):
        room = (r for r, u in enumerate(used) if packs and u + lengths[s] <= capacity)
        row = next(room, len(used))
        if row == len(used):
            used.append(0)
        places[s] = (row, used[row])
        used[row] += int(lengths[s])
    return len(used), places
