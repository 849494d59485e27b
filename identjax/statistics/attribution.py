"""Which choice explains how members differ: shares of one number, or of distances.

Axes: N member, A arrangement.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from identjax.statistics.exchange import (
    Arrangements,
    Move,
    arrange,
    move_choice,
    move_residuals,
    move_seed,
)
from identjax.statistics.intervals import Array
from identjax.statistics.share_intervals import find_intervals
from identjax.statistics.shares import Form, Shape, Variation, sum_squares
from identjax.statistics.terms import RESIDUAL, Term, join, make_design, number

Factors = Mapping[str, Sequence[Any]]
PERMUTATIONS = 999
UNITS = "units"
# Degrees of freedom of the noise below which simulated intervals cover less than .92.
FEWEST_OF_NUMBERS, FEWEST_OF_DISTANCES = 4, 10


class SourceShare(NamedTuple):
    """One source: its share of the variation between members, corrected for chance (ω²).

    The share may fall below 0 where there is nothing; its 95% interval does not, and is NaN where
    there are too few seeds for one. `p` is that of a permutation test, which no data would bring
    below `least_p`; both are NaN where nothing can change places. `note` says what else is in it.
    """

    source: str
    df: int
    share: float
    low: float
    high: float
    p: float
    least_p: float
    note: str


def permanova(
    distances: npt.ArrayLike,
    factors: Factors,
    strata: Sequence[Any] | None = None,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
    units: Sequence[Any] | None = None,
) -> list[SourceShare]:
    """Split squared distances between members over the factors, and their interactions in pairs.

    Distances are squared here: give √JS, TV or churn. The sum of squares of a source is tr(HG): H
    projects on what it adds to the factors of which it is no part, and G is −½d² with the means of
    rows and columns taken out. A factor is exchanged within the levels of all others and within
    `strata`; for an interaction what is left of the factors is. Members of one of `units`, such as
    one initialisation, move together, and a factor by which whole units differ is measured by how
    units differ. p = (1 + arrangements at least as far apart)/(1 + arrangements); where there are
    no more than `permutations`, each is tried once. Anderson 2001, Austral Ecology 26.

    >>> far = 1.0 - np.kron(np.eye(2), np.ones((4, 4)))
    >>> [(row.source, row.df, row.share) for row in permanova(far, {"a": [0] * 4 + [1] * 4})]
    [('a', 1, 1.0), ('residual', 6, 0.0)]
    """
    seeds = {} if units is None else {UNITS: units}
    layout = Layout(factors, seeds, len(np.asarray(distances)), strata)
    rows = layout.split(distances, permutations, seed)
    kept = [row for row in rows if row.source != RESIDUAL and UNITS not in row.source.split(":")]
    rest = [row for row in rows if row not in kept]
    return [*kept, rest[-1]._replace(df=sum(r.df for r in rest), share=sum(r.share for r in rest))]


class Layout:
    """Choices and seeds of some members, laid out once for all that is split over them.

    Members with the same label of a seed share what it drew. A seed of which all members share a
    choice is nested in it; with the others it is crossed, and those interactions are sources too.
    """

    def __init__(
        self, factors: Factors, seeds: Factors, n: int, strata: Sequence[Any] | None = None
    ) -> None:
        """Tell apart what can be told apart among `n` members; `strata` as of `permanova`."""
        self.design = make_design(factors, seeds, n)
        self.form = Form.of(self.design)
        named = {term.source for term in self.design.choices}
        self.choices = {name: number(own) for name, own in factors.items() if name in named}
        cells_N = join(np.zeros(n, np.int64), *self.choices.values())
        drawn = {name: number(own) for name, own in seeds.items()}
        # A seed with one level in each cell has nothing to change places with.
        self.seeds = {
            k: own for k, own in drawn.items() if join(cells_N, own).max() > cells_N.max()
        }
        self.strata_N = cells_N * 0 if strata is None else number(strata)
        self._arranged: dict[tuple[str, int, int], Arrangements] = {}

    def split(
        self, values: npt.ArrayLike, permutations: int = PERMUTATIONS, seed: int = 0
    ) -> list[SourceShare]:
        """Split the variation of one number per member, or of distances, over the sources.

        Each source is corrected for the noise that all seeds put into it (expected mean squares),
        so that shares of a balanced design add up to 1. Choices come first, the residual last.
        """
        split = _Split.of(values)
        squares = sum_squares(self.design, split.left, split.right)
        parts = self.form.solve(squares)
        shares = np.concatenate([parts.choices_T, parts.seeds_K])
        shares = shares / parts.total if parts.total > 0 else shares * np.nan
        intervals = self._intervals(split, parts, seed)
        terms: list[Term | None] = [*self.design.choices, *self.design.seeds, None]
        df = [*self.form.df_T, *self.form.df_K]
        return [
            SourceShare(
                name,
                int(df[row]),
                float(shares[row]),
                *intervals[row],
                *self._test(split, terms[row], permutations, seed),
                self.design.notes.get(name, ""),
            )
            for row, name in enumerate(self.design.names)
        ]

    def _intervals(self, split: "_Split", parts: Variation, seed: int) -> list[tuple[float, float]]:
        """Give the interval of each share, where there is enough noise to measure it by."""
        nothing, form = (np.nan, np.nan), self.form
        if len(self.design.names) < 2 or not parts.total > 0:
            return [nothing] * len(self.design.names)
        shape = Shape.of(self.design, form, parts, split.left, split.right)
        found = find_intervals(form, parts, shape, seed)
        noise_T = form.df_K[np.argmax(form.noise_TxK * np.maximum(parts.seeds_K, 0), 1)]
        enough_T, enough_K = noise_T >= FEWEST_OF_NUMBERS, form.df_K[-1:] >= FEWEST_OF_NUMBERS
        if split.right is None:
            enough_T, enough_K = noise_T >= FEWEST_OF_DISTANCES, form.df_K >= FEWEST_OF_DISTANCES
        enough = [*enough_T, *np.broadcast_to(enough_K, len(form.df_K))]
        return [pair if known else nothing for pair, known in zip(found, enough, strict=True)]

    def _test(
        self, split: "_Split", term: Term | None, permutations: int, seed: int
    ) -> tuple[float, float]:
        """Give p and the least that it could be; NaN of the residual and of seeds' interactions."""
        is_choice = any(term is own for own in self.design.choices)
        if term is None or not (is_choice or term.source in self.seeds):
            return np.nan, np.nan
        key = term.source, permutations, seed
        if key not in self._arranged:
            self._arranged[key] = arrange(self._move(term), permutations, seed)
        found = self._arranged[key]
        if found.least_p == 1:
            return np.nan, np.nan
        if term.source in self.choices or not is_choice:
            squares_A = split.arrange(term.basis_NxP, found)
        else:
            squares_A = self._compare_residuals(split, term, found)
        more = np.count_nonzero(squares_A >= squares_A[0] * (1 - 1e-9))
        return int(more) / len(squares_A), found.least_p

    def _move(self, term: Term) -> Move:
        if term.source in self.choices:
            return move_choice(term.source, self.choices, self.seeds, self.strata_N)
        if term.source in self.seeds:
            return move_seed(term.source, self.choices, self.seeds)
        return move_residuals(term.source.split(":"), self.choices, self.seeds, self.strata_N)

    def _compare_residuals(self, split: "_Split", term: Term, found: Arrangements) -> Array:
        """Take out all choices but an interaction, and give its F for every arrangement of that."""
        own, joint = term.basis_NxP, self.design.choices_NxP
        others = joint - own @ (own.T @ joint)
        left, sizes, _ = np.linalg.svd(others, full_matrices=False)
        rest = split.without(left[:, sizes > 0.5])
        squares_A = rest.arrange(own, found)
        left_over_A = rest.total - rest.arrange(joint, found)
        return np.asarray(squares_A / np.maximum(left_over_A, 1e-12 * rest.total + 1e-300))


class _Split(NamedTuple):
    """What is split: G of distances, or one number per member, of which G is left·right."""

    left: Array
    right: Array | None

    @classmethod
    def of(cls, values: npt.ArrayLike) -> "_Split":
        """Take the means out of numbers [N], or of squared distances [N, N]."""
        found = np.asarray(values, np.float64)
        if found.ndim == 2:
            half = -0.5 * found**2
            return cls(half - half.mean(0) - half.mean(1)[:, None] + half.mean(), None)
        own = (found - found.mean())[:, None]
        return cls(own, own)

    @property
    def total(self) -> float:
        """The sum of squares of all."""
        found = np.trace(self.left) if self.right is None else (self.left * self.right).sum()
        return float(found)

    def without(self, basis: Array) -> "_Split":
        """Take out what lies along some directions."""
        left = self.left - basis @ (basis.T @ self.left)
        return (
            _Split(left, left)
            if self.right is not None
            else _Split(left - (left @ basis) @ basis.T, None)
        )

    def arrange(self, basis: Array, found: Arrangements) -> Array:
        """Sum squares along directions, [A], when what the members are is laid out anew."""
        moved = np.moveaxis(basis[found.rows_AxN], 1, 2)
        flat = moved.reshape(-1, moved.shape[-1])
        ahead = flat @ self.left
        other = flat if self.right is None else ahead
        return np.asarray((ahead * other).reshape(len(moved), -1).sum(1))
