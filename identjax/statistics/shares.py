"""Shares of the variation between members by source, and their intervals.

One number per member is a distance |a − b| between members; so numbers and distances are one thing.
Axes: N member, T choice, K seed (the residual last), R draw.
"""

import dataclasses
from typing import NamedTuple

import numpy as np

from identjax.statistics.intervals import Array
from identjax.statistics.terms import Design, Labels, Term, join, settles, spread_of

# From so many draws on, how their squares vary tells of long tails.
_MANY = 8


class Squares(NamedTuple):
    """Sums of squares [T] of choices, [K] of seeds, and of all choices together."""

    choices_T: Array
    seeds_K: Array
    joint: float


class Variation(NamedTuple):
    """What each source adds to the variation of a member: [T] and [K], and what choices share.

    The parts of choices are those of the members at hand, those of seeds are variances.
    """

    choices_T: Array
    seeds_K: Array
    common: float

    @property
    def total(self) -> Array:
        """The variation of a member."""
        return np.asarray(self.choices_T.sum(-1) + self.seeds_K.sum(-1) + self.common)


@dataclasses.dataclass(frozen=True)
class Form:
    """How kinds of variation add up to sums of squares in a design.

    `mixed_KxK` gives the expected mean squares of seeds from their variances, `noise_TxK` the
    part of the sum of squares of choices that is due to seeds.
    """

    n: int
    df_T: Array
    df_K: Array
    mixed_KxK: Array
    noise_TxK: Array
    joint_noise_K: Array

    @classmethod
    def of(cls, design: Design) -> "Form":
        """Count how often each seed's variance is in each sum of squares."""
        df_K = np.array([*(term.df for term in design.seeds), design.residual_df], np.float64)
        labels = [term.labels_N for term in design.seeds]
        mixed = np.zeros((len(df_K), len(df_K)))
        mixed[:, -1] = 1
        for row, term in enumerate(design.seeds):
            for column in range(row, len(labels)):
                mixed[row, column] = spread_of(term.basis_NxP, labels[column]) / df_K[row]
        bases = [*(term.basis_NxP for term in design.choices), design.choices_NxP]
        noise = [[*(spread_of(b, own) for own in labels), b.shape[1]] for b in bases]
        df_T = np.array([term.df for term in design.choices], np.float64)
        noise_TxK = np.array(noise, np.float64)
        return cls(design.members, df_T, df_K, mixed, noise_TxK[:-1], noise_TxK[-1])

    def solve(self, squares: Squares) -> Variation:
        """Give the parts whose expected sums of squares are these; they may fall below 0."""
        means_K = squares.seeds_K / np.maximum(self.df_K, 1)
        variances_K = np.asarray(np.linalg.solve(self.mixed_KxK, means_K), np.float64)
        choices_T = (squares.choices_T - variances_K @ self.noise_TxK.T) / self.n
        joint = (squares.joint - variances_K @ self.joint_noise_K) / self.n
        return Variation(choices_T, variances_K, float(joint - choices_T.sum()))


def sum_squares(design: Design, left: Array, right: Array | None = None) -> Squares:
    """Sum squares along the directions of each source; for distances of G = `left`, alone.

    For numbers y [N, 1] these are `left` and `right`.
    """

    def along(basis_NxP: Array) -> float:
        other = basis_NxP if right is None else right.T @ basis_NxP
        ahead = left.T @ basis_NxP
        return float((ahead * other).sum())

    total = float(np.trace(left) if right is None else (left * right).sum())
    seeds = [along(term.basis_NxP) for term in design.seeds]
    rest = total - along(design.model_NxP)
    choices = np.array([along(term.basis_NxP) for term in design.choices])
    return Squares(choices, np.array([*seeds, rest]), along(design.choices_NxP))


@dataclasses.dataclass(frozen=True)
class Shape:
    """How noise is spread over directions and cells, in which members differ.

    `freedom_K` are the degrees of freedom that the mean squares of seeds have in effect. Of the
    noise in the sum of squares of a choice, in shares of that of one degree of freedom,
    `along_T` lies along the choice's effect, `most_T` along the direction that has most, and
    `even_T` is the sum of the squared shares of all directions. `skew_T` is the correlation of
    the noise along the effect with the mean square of the seed `error_T`, which is most of it.
    """

    freedom_K: Array
    error_T: Labels
    skew_T: Array
    along_T: Array
    most_T: Array
    even_T: Array

    @classmethod
    def of(
        cls, design: Design, form: Form, parts: Variation, left: Array, right: Array | None = None
    ) -> "Shape":
        """Read it off what seeds and the residual do; arguments as of `sum_squares`."""
        rows_N, choices = np.arange(design.members), [term.labels_N for term in design.choices]
        noise = [_Noise(term.basis_NxP, term.labels_N, left, right, True) for term in design.seeds]
        noise.append(_Noise(design.model_NxP, rows_N, left, right, False))
        drawn = [term.drawn_N for term in design.seeds]
        drawn.append(join(*drawn) if drawn else rows_N)
        cells = [join(rows_N * 0, *(own for own in choices if settles(one, own))) for one in drawn]
        freedom_K = np.array([n.find_freedom(own) for n, own in zip(noise, cells, strict=True)])
        error_T = np.argmax(form.noise_TxK * np.maximum(parts.seeds_K, 0), 1)
        if right is not None:
            freedom_K = np.minimum(freedom_K, form.df_K)
        found = [
            (
                noise[k].find_skew(term, left, right, freedom_K[k]),
                *((1.0, 1.0, 1.0) if right is not None else noise[k].look_along(term, left)),
            )
            for term, k in zip(design.choices, error_T, strict=True)
        ]
        skew_T, *others = np.array(found).reshape(-1, 4).T
        return cls(freedom_K, error_T, skew_T, *others)


class _Noise:
    """What members do in some directions, or in all others; `inside` says which.

    `ahead` is the projection of what was given, `across_NxN` that of its columns too.
    """

    def __init__(
        self, basis: Array, labels_N: Labels, left: Array, right: Array | None, inside: bool
    ) -> None:
        weights_N = (basis**2).sum(1)
        self.weights_N, self.labels_N = weights_N if inside else 1 - weights_N, labels_N
        ahead = basis @ (basis.T @ left)
        self.ahead = ahead if inside else left - ahead
        self.across_NxN: Array | None = None
        if right is None:
            across = (self.ahead @ basis) @ basis.T
            self.across_NxN = across if inside else self.ahead - across

    def find_freedom(self, cells_N: Labels) -> float:
        """Give the degrees of freedom of a χ² that varies as much as this sum of squares does.

        Fewer where cells differ in their noise or where its tails are long, more where it has many
        directions.
        """
        whole, spread = 0.0, 0.0
        for cell in range(int(cells_N.max()) + 1):
            rows = np.flatnonzero(cells_N == cell)
            d = float(self.weights_N[rows].sum())
            once, twice = self._sum_products(rows)
            if d > 1.5:
                twice = max((d * twice - once**2) / (d - 1), twice / 4)
            whole, spread = whole + once, spread + max(twice / (d + 2), self._tails(rows))
        return max(whole**2 / spread, 1.0) if spread > 0 else float(self.weights_N.sum())

    def _sum_products(self, rows: Labels) -> tuple[float, float]:
        """Sum the squares of some members, and the squares of their products."""
        if self.across_NxN is None:
            once = float((self.ahead[rows] ** 2).sum())
            return once, once**2
        inner = self.across_NxN[np.ix_(rows, rows)]
        return float(np.trace(inner)), float((inner * inner).sum())

    def _sum_alike(self, values_N: Array) -> Array:
        """Sum over the members that share what was drawn."""
        return np.asarray(np.bincount(self.labels_N, values_N), np.float64)

    @property
    def _squares_N(self) -> Array:
        one = self.across_NxN
        return np.asarray((self.ahead**2).sum(1) if one is None else np.diag(one))

    def _tails(self, rows: Labels) -> float:
        """Give half the variance of a sum of squares, as the squares of its terms have it."""
        sums = self._sum_alike(self._squares_N)[np.unique(self.labels_N[rows])]
        return float(len(sums) * sums.var(ddof=1) / 2) if len(sums) >= _MANY else 0.0

    def find_skew(self, term: Term, left: Array, right: Array | None, freedom: float) -> float:
        """Correlate noise along an effect with its squares, which skewed noise does."""
        basis, squares_N = term.basis_NxP, self._squares_N
        toward = basis if right is None else basis @ (basis.T @ left)
        ahead = self.ahead @ basis if right is None else self.ahead
        along = self._sum_alike((ahead * toward).sum(1))
        spread = (along**2).sum() * 2 * squares_N.sum() ** 2 / freedom
        if not spread > 0:
            return 0.0
        return float(np.clip((along * self._sum_alike(squares_N)).sum() / spread**0.5, -0.9, 0.9))

    def look_along(self, term: Term, gram_NxN: Array) -> tuple[float, float, float]:
        """Give the shares of noise along an effect and along most, and their sum of squares."""
        assert self.across_NxN is not None
        noise = float(np.trace(self.across_NxN))
        effect = float(((gram_NxN @ term.basis_NxP) * term.basis_NxP).sum())
        if noise <= 0 or effect <= 0:
            return 1.0, 1.0, 1.0
        shares = np.linalg.eigvalsh(self.across_NxN) / noise
        even, most = min(float((shares**2).sum()), 1.0), min(float(shares.max()), 1.0)
        along = float(((self.ahead @ term.basis_NxP) ** 2).sum()) / (effect * noise)
        return min(along, most), most, even
