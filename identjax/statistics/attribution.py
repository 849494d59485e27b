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
from identjax.statistics.terms import (
    RESIDUAL,
    Labels,
    Term,
    add_directions,
    join,
    make_design,
    number,
    orthonormalise,
    settles,
)

Factors = Mapping[str, Sequence[Any]]
PERMUTATIONS = 999
# A test that could not give this p is not worth being exact.
ENOUGH = 0.05
UNITS = "units"
# Numbers that are laid out anew at once.
_MOST = 1 << 24
# Degrees of freedom of the noise below which simulated intervals cover less than .92.
FEWEST_OF_NUMBERS, FEWEST_OF_DISTANCES, FEWEST_OF_SEEDS = 4, 10, 3


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
    >>> [(row.source, row.df) for row in permanova(far, {"a": [0, 0, 0, 0, 1, 1, 1, 1]})]
    [('a', 1), ('residual', 6)]
    """
    seeds = {} if units is None else {UNITS: units}
    layout = Layout(factors, seeds, len(np.asarray(distances)), strata)
    rows = layout.split(distances, permutations, seed)
    kept = [row for row in rows if row.source != RESIDUAL and UNITS not in row.source.split(":")]
    rest = rows[len(kept) :]
    if len(rest) == 1:
        return rows
    df, share = sum(row.df for row in rest), sum(row.share for row in rest)
    return [*kept, rest[-1]._replace(df=df, share=share, low=np.nan, high=np.nan)]


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
        self._arranged: dict[tuple[str, int, int], tuple[Arrangements, bool]] = {}

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
        fewest = FEWEST_OF_NUMBERS if split.right is not None else FEWEST_OF_DISTANCES
        enough_T, enough_K = self._find_freedom() >= fewest, form.df_K >= fewest
        if split.right is not None:
            enough_K = (form.df_K >= FEWEST_OF_SEEDS) & (form.df_K[-1] >= fewest)
        enough = [*enough_T, *enough_K]
        return [pair if known else nothing for pair, known in zip(found, enough, strict=True)]

    def _find_freedom(self) -> Array:
        """Give the degrees of freedom of the noise by which each choice is measured."""
        # What members that are missing let in of a seed that is crossed is little.
        often_TxK = self.form.noise_TxK / self.form.df_T[:, None]
        inside = often_TxK > 0.2 * np.diag(self.form.mixed_KxK)
        inside[:, -1] = ~inside[:, :-1].any(1)
        return np.asarray(np.where(inside, self.form.df_K, 0).max(1, initial=0))

    def _test(
        self, split: "_Split", term: Term | None, permutations: int, seed: int
    ) -> tuple[float, float]:
        """Give p and the least that it could be; NaN of the residual and of seeds' interactions."""
        is_choice = any(term is own for own in self.design.choices)
        if term is None or not (is_choice or term.source in self.seeds):
            return np.nan, np.nan
        found, alike = self._arrange(term, permutations, seed)
        if found.least_p == 1:
            return np.nan, np.nan
        if is_choice and term.source not in self.choices:
            squares_A = self._compare_residuals(split, term, found)
        elif alike:
            squares_A = split.arrange(term.basis_NxP, found)
        else:
            squares_A = split.exchange(self._find_others(term), term.labels_N[found.rows_AxN])
        more = np.count_nonzero(squares_A >= squares_A[0] * (1 - 1e-9))
        return int(more) / len(squares_A), found.least_p

    def _arrange(self, term: Term, permutations: int, seed: int) -> tuple[Arrangements, bool]:
        """Give the arrangements to compare with, and whether what changes places is alike.

        Where members are missing here and there, too few units may be alike for any p to be small.
        The labels of a choice are then exchanged between units that are not.
        """
        key = term.source, permutations, seed
        if key not in self._arranged:
            move = self._move(term)
            found, alike = arrange(move, permutations, seed), True
            if term.source in self.choices and found.least_p > ENOUGH:
                loose = arrange(move._replace(alike=False), permutations, seed)
                if loose.least_p < found.least_p:
                    found, alike = loose, False
            self._arranged[key] = found, alike
        return self._arranged[key]

    def _find_others(self, term: Term) -> Array:
        """Give the directions of all choices of which a choice is no part, with the mean."""
        n = self.design.members
        basis = np.full((n, 1), n**-0.5)
        for other in self.design.choices:
            if not settles(other.labels_N, term.labels_N):
                basis = np.concatenate([basis, add_directions(basis, other.labels_N)], 1)
        return basis

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
        rest = split.without(orthonormalise(others))
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
        if self.right is not None:
            # The other way round: numbers come to where their labels went.
            moved_AxN = np.empty(found.rows_AxN.shape)
            np.put_along_axis(moved_AxN, found.rows_AxN, self.left.T, 1)
            return np.asarray(((moved_AxN @ basis) ** 2).sum(1))
        parts = []
        for rows_AxN in np.array_split(
            found.rows_AxN, 1 + found.rows_AxN.size * basis.shape[1] // _MOST
        ):
            moved = np.moveaxis(basis[rows_AxN], 1, 2)
            flat = moved.reshape(-1, moved.shape[-1])
            parts.append(((flat @ self.left) * flat).reshape(len(moved), -1).sum(1))
        return np.concatenate(parts)

    def exchange(self, others: Array, labels_AxN: Labels) -> Array:
        """Sum squares, [A], of what each arrangement of a label adds to some directions."""
        levels_AxNxL = np.eye(int(labels_AxN.max()) + 1)[labels_AxN]
        own = levels_AxNxL - others @ (others.T @ levels_AxNxL)
        back = np.linalg.pinv(np.swapaxes(own, 1, 2) @ own, rcond=1e-9, hermitian=True)
        ahead = self.left.T @ own
        other = own if self.right is None else ahead
        return np.asarray(np.einsum("anl,anm,alm->a", ahead, other, back))
