"""L4, nested brackets as the papers generate them, and Dyck words uniform by length.

Axes: Q control row; o opening and c closing brackets so far, n opening ones in all.
"""

import dataclasses
import functools
from collections.abc import Iterable, Mapping
from typing import ClassVar

import jax.numpy as jnp
import numpy as np
from scipy.special import gammaln

from identjax.errors import ConfigError
from identjax.languages.definition import LengthSampler, register
from identjax.languages.law.base import as_leaf
from identjax.languages.law.brackets import CappedByLength, DyckByLength, make_brackets
from identjax.languages.law.even import EvenDefinition
from identjax.languages.law.graph import Graph, even_out, explore
from identjax.languages.rules import Rule, matched, starts_with
from identjax.predictor import Predictor

MOST_ENTRIES = 2**24


@dataclasses.dataclass(frozen=True)
class BracketDefinition(EvenDefinition):
    """What L4, L6 and Dyck words share: two rules, each about one kind of bracket."""

    completion_from: ClassVar[int | None] = 3

    @property
    def symbols(self) -> tuple[str, ...]:
        return tuple("()[]")

    @property
    def rules(self) -> Mapping[str, Rule]:
        """R1: [] matched, ignoring all else. R2: () matched, ignoring all else."""
        return {"R1": matched("[]"), "R2": matched("()")}

    @property
    def published(self) -> Mapping[str, Iterable[str]]:
        """([ or )[ before each of the 16 prime words of length 6 (the papers' 32 are draws)."""
        words = []
        for a, b, c in ((a, b, c) for a in range(2) for b in range(2) for c in range(2)):
            (p, q), (r, s), (t, u) = (("()", "[]")[kind] for kind in (a, b, c))
            words += [f"{p}{r}{t}{u}{s}{q}", f"{p}{r}{s}{t}{u}{q}"]
        return {
            "published_id": ["([" + word for word in words],
            "published_ood": [")[" + word for word in words],
        }


@register("L4", "nested_brackets")
@dataclasses.dataclass(frozen=True)
class CappedBrackets(BracketDefinition):
    """Nested () and [], generated under a hidden cap of 2l brackets, l uniform on 1..H = ⌊L/2⌋.

    At depth 0 one of the two opens; inside, each opening bracket and the close of the top have
    1/3; once there are l opening brackets every step is the forced close; the string ends when
    the stack first empties (Mészáros et al. 2024, L4). With n opening brackets and k closing
    ones before the last of them, p = 1/H · 2^−n (2/3)^(n−1) ((H−n) 3^−n + 3^−k): the cap is
    larger than 2n, or it is 2n and the last n−k closes were forced.
    """

    chomsky: ClassVar[str] = "context-free"

    @functools.cached_property
    def shapes(self) -> tuple[np.ndarray, np.ndarray]:
        """Log of how many shapes have (n, k), and log p of each as a shape, [H+1, H+1]."""
        n, k = np.meshgrid(np.arange(self.half + 1), np.arange(self.half + 1), indexing="ij")
        a = np.maximum(n - 2, 0)
        # Ballot numbers: after the first bracket, n−2 opens and k closes that never reach 0.
        ways = gammaln(a + k + 1) - gammaln(k + 1) - gammaln(a + 2)
        ways = ways + np.log(np.maximum(a - k + 1, 1))
        ways = np.where((n >= 2) & (k <= n - 2), ways, np.where((n == 1) & (k == 0), 0, -np.inf))
        with np.errstate(divide="ignore"):
            free = np.log(np.maximum(self.half - n, 0)) - n * np.log(3)
        log_p = np.logaddexp(free, -k * np.log(3)) + (n - 1) * np.log(2 / 3) - np.log(self.half)
        return ways, log_p

    @property
    def entropy(self) -> float:
        """−Σ p log p over (n, k), all shapes and kinds of which are alike."""
        ways, log_p = self.shapes
        kinds = np.arange(self.half + 1)[:, None] * np.log(2)
        return float(-(np.exp(ways + log_p) * (log_p - kinds)).sum())

    @functools.cached_property
    def length_probs(self) -> np.ndarray:
        found = np.zeros(self.max_length + 1)
        found[: 2 * self.half + 1 : 2] = np.exp(sum(self.shapes)).sum(1)
        return found

    @property
    def count(self) -> int | None:
        """Prime words: Catalan(n−1) 2^n for each n."""
        total, catalan = 0, 1
        for n in range(1, self.half + 1):
            total += catalan * 2**n
            catalan = catalan * 2 * (2 * n - 1) // (n + 1)
        return total

    def build(self) -> Predictor:
        """Tabulate the law by n and r, the closes since the last opening bracket.

        The odds that the cap is 2n, against larger: 3^r / (H−n), for a forced close had 1/3.
        """
        half = self.half
        n, r = (grid.ravel() for grid in np.indices((half + 1, half + 1)))
        with np.errstate(divide="ignore"):
            log_more = np.log(half - n) - r * np.log(3)
        log_all = np.logaddexp(log_more, 0)
        law = np.full((len(n), 2, 3), -np.inf)
        law[:, 1, 0] = log_more - log_all + np.log(2 / 3)
        law[:, 1, 1] = np.logaddexp(log_more - np.log(3), 0) - log_all
        law[n == 0, 1] = -np.inf
        law[n == 0, 0, 0] = 0
        law[n > 0, 0, 2] = 0
        opened = np.minimum(n + 1, half) * (half + 1)
        closed = n * (half + 1) + np.minimum(r + 1, half)
        rows = np.column_stack([opened, closed])
        return make_brackets(rows, law, self.vocabulary, self.max_length)

    def build_by_length(self) -> LengthSampler:
        """Tabulate p(open | n, o, c)."""
        if (self.half + 1) ** 3 > MOST_ENTRIES:
            raise ConfigError("max_length", self.max_length, "at most 510, to draw L4 by length")
        table = as_leaf(weigh_openings(self.shapes[1]), jnp.float32)
        return CappedByLength(table, self.vocabulary, self.max_length)


def weigh_openings(log_p_NxK: np.ndarray) -> np.ndarray:
    """p(open | n, o, c) among words of n pairs, of which log p depends on n and k."""
    size = len(log_p_NxK)
    after = np.full((size, size + 1, size + 1), -np.inf)
    found = np.zeros((size, size, size))
    for o in range(size - 1, -1, -1):
        for c in range(max(o, 1) - 1, -1, -1):
            opening = after[:, o + 1, c]
            # A close that emptied the stack before the last opening would have ended the word.
            closing = after[:, o, c + 1] if c + 1 < o else np.full(size, -np.inf)
            after[:, o, c] = np.logaddexp(opening, closing)
            after[o, o, c] = log_p_NxK[o, c]
            alive = (after[:, o, c] > -np.inf) & (np.arange(size) > o)
            found[alive, o, c] = np.exp(opening[alive] - after[alive, o, c])
    return found


@register("dyck", "L4_full")
@dataclasses.dataclass(frozen=True)
class Dyck(BracketDefinition):
    """Dyck words of `kinds` kinds of brackets, no deeper than `depth` (0: no limit).

    The number of pairs is uniform on 1..⌊L/2⌋ and all words of it are alike: without a limit
    p = 1/⌊L/2⌋ · 1/(Catalan(l) kinds^l). This is the proper law of nested brackets of a given
    length, of which L4's generator stops early.

    >>> Dyck(4).count, Dyck(4, kinds=1).count, Dyck(4, kinds=1, depth=1).count
    (10, 3, 2)
    """

    kinds: int = 2
    depth: int = 0
    chomsky: ClassVar[str] = "context-free"

    def check(self) -> None:
        """Refuse kinds without symbols, and negative depths."""
        self.check_whole(kinds=(1, 4), depth=(0, 2**31))

    @property
    def symbols(self) -> tuple[str, ...]:
        return tuple("()[]{}<>"[: 2 * self.kinds])

    @property
    def rules(self) -> Mapping[str, Rule]:
        """Those of L4; of a single kind, R1: matched, R2: starts with an opening bracket."""
        if self.kinds > 1:
            return super().rules
        return {"R1": matched("()"), "R2": starts_with("(", "()")}

    @property
    def published(self) -> Mapping[str, Iterable[str]]:
        """Those of L4, where its symbols are the same."""
        return super().published if self.kinds > 1 else {}

    @property
    def deepest(self) -> int:
        """The largest depth that a word has."""
        return min(self.half, self.depth) if self.depth else self.half

    @functools.cached_property
    def graph(self) -> Graph:
        """Shapes by position and depth, each shape of a length alike."""

        def step(states: np.ndarray, symbol: int) -> tuple[np.ndarray, np.ndarray]:
            moved = states + np.array([1, 1 if symbol == 0 else -1])
            position, depth = moved.T
            fits = (depth >= 0) & (depth <= self.deepest) & (depth <= self.max_length - position)
            return moved, np.where(fits, 0.0, -np.inf)

        def weigh(states: np.ndarray) -> np.ndarray:
            return np.where((states[:, 0] > 0) & (states[:, 1] == 0), 0.0, -np.inf)

        return even_out(explore((0, 0), step, weigh, 2, self.max_length))

    @property
    def entropy(self) -> float:
        """That of the shape, and log kinds for each pair."""
        pairs = self.length_probs @ np.arange(self.max_length + 1) / 2
        return self.graph.entropy + float(pairs * np.log(self.kinds))

    @functools.cached_property
    def length_probs(self) -> np.ndarray:
        return self.graph.length_probs_up_to(self.max_length)

    @functools.cached_property
    def count(self) -> int | None:
        """Words of each length, counted shape by shape."""
        ways = [1] + [0] * self.deepest
        total = 0
        for length in range(1, self.max_length + 1):
            padded = [0, *ways, 0]
            ways = [padded[d] + padded[d + 2] for d in range(self.deepest + 1)]
            total += ways[0] * self.kinds ** (length // 2)
        return total

    def build(self) -> Predictor:
        """The law of the shape at each position and depth."""
        law = np.repeat(self.graph.log_p[:, None], 2, 1)
        rows = np.maximum(self.graph.next_state, 0)
        return make_brackets(rows, law, self.vocabulary, self.max_length)

    def build_by_length(self) -> LengthSampler:
        """Tabulate p(open | symbols left, depth)."""
        size = self.deepest + 1
        log_ways = np.full((self.max_length + 1, size + 2), -np.inf)
        log_ways[0, 1] = 0
        for left in range(1, self.max_length + 1):
            log_ways[left, 1:-1] = np.logaddexp(log_ways[left - 1, :-2], log_ways[left - 1, 2:])
        opening = np.full((self.max_length + 1, size), -np.inf)
        alive = log_ways[1:, 1:-1] > -np.inf
        opening[1:] = np.where(alive, log_ways[:-1, 2:] - np.where(alive, log_ways[1:, 1:-1], 0), 0)
        table = as_leaf(np.exp(opening), jnp.float32)
        return DyckByLength(table, self.vocabulary, self.max_length)
