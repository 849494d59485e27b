"""What a linear model of members is made of: choices, their interactions, and seeds.

Axes: N member, P direction of a term, L level of a label.
"""

import dataclasses
import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from identjax.statistics.intervals import Array

Labels = npt.NDArray[np.int64]
RESIDUAL = "residual"
# Where what several other sources settle together is said to be.
OTHERS = "others"
_TINY = 1e-10


class Term(NamedTuple):
    """A source: the label of each member, and the orthonormal directions that are its own.

    `drawn_N` is the label of what was drawn once, the seeds without the choices beside them.

    Those of a choice are what it adds to all choices of which it is no part; those of a seed are
    what it adds to all choices and the seeds before it.
    """

    source: str
    labels_N: Labels
    basis_NxP: Array
    drawn_N: Labels

    @property
    def df(self) -> int:
        """Degrees of freedom."""
        return int(self.basis_NxP.shape[1])


@dataclasses.dataclass(frozen=True)
class Design:
    """The terms that can be told apart among these members; `notes` say what cannot, by source.

    `choices_NxP` are the directions of all choices together, the mean not among them, and
    `model_NxP` those of everything but the residual, the mean among them.
    """

    choices: tuple[Term, ...]
    seeds: tuple[Term, ...]
    choices_NxP: Array
    model_NxP: Array
    notes: Mapping[str, str]

    @property
    def members(self) -> int:
        """How many members there are."""
        return len(self.model_NxP)

    @property
    def residual_df(self) -> int:
        """Degrees of freedom of the residual."""
        return int(np.subtract(*self.model_NxP.shape))

    @property
    def names(self) -> list[str]:
        """All sources in order, the residual last."""
        return [*(term.source for term in (*self.choices, *self.seeds)), RESIDUAL]


def make_design(
    factors: Mapping[str, Sequence[Any]], seeds: Mapping[str, Sequence[Any]], n: int
) -> Design:
    """Lay out the choices, their interactions two by two, and the seeds with theirs.

    Fields that always vary together are one choice. A term that would leave no residual is in the
    residual, which says so; one that the others settle is named where it went.
    """
    kept, notes = _tell_apart({name: number(labels) for name, labels in factors.items()})
    drawn = {name: number(labels) for name, labels in seeds.items()}
    drawn = {name: labels for name, labels in drawn.items() if labels.max(initial=0) > 0}
    room = _Room(np.full((n, 1), n**-0.5))
    for name, labels in kept.items():
        room.add(name, labels, labels)
    room.add_products(itertools.combinations(kept.items(), 2))
    choices, joint = list(room.terms), room.basis[:, 1:]
    for name, labels in drawn.items():
        room.add(name, labels, labels)
    drawn = {name: labels for name, labels in drawn.items() if name not in room.settled}
    room.add_products(itertools.product(kept.items(), drawn.items()), both_drawn=False)
    room.add_products(itertools.combinations(drawn.items(), 2))
    own_terms = [_alone(term, choices, n) for term in choices]
    room.settled.update({term.source: OTHERS for term in own_terms if not term.df})
    told = tuple(term for term in own_terms if term.df)
    seeds_found = tuple(room.terms[len(choices) :])
    return Design(told, seeds_found, joint, room.basis, room.say(notes))


class _Room:
    """Directions that are taken, and the terms that took them."""

    def __init__(self, basis: Array) -> None:
        self.basis, self.terms = basis, list[Term]()
        self.in_residual, self.settled = list[str](), dict[str, str]()

    def add(self, source: str, labels_N: Labels, drawn_N: Labels) -> None:
        """Give a term what it adds to those before it, if something is left for the residual."""
        parts = [term.source for term in self.terms if settles(term.labels_N, labels_N)]
        if parts:
            self.settled[source] = parts[0]
            return
        new = add_directions(self.basis, labels_N)
        if not new.shape[1]:
            self.settled[source] = OTHERS
        elif self.basis.shape[1] + new.shape[1] >= len(labels_N):
            self.in_residual.append(source)
        else:
            self.basis = np.concatenate([self.basis, new], 1)
            self.terms.append(Term(source, labels_N, new, drawn_N))

    def add_products(
        self,
        pairs: Iterable[tuple[tuple[str, Labels], tuple[str, Labels]]],
        both_drawn: bool = True,
    ) -> None:
        """Add interactions, where none of the two settles the other."""
        for (a, one), (b, other) in pairs:
            if not (settles(one, other) or settles(other, one)):
                together = join(one, other)
                self.add(f"{a}:{b}", together, together if both_drawn else other)

    def say(self, notes: Mapping[str, str]) -> dict[str, str]:
        """Say what is in the residual, and in which source what cannot be told from it."""
        found: dict[str, list[str]] = {RESIDUAL: self.in_residual}
        for source, place in self.settled.items():
            found.setdefault(place, []).append(source)
        said = {place: f"holds {', '.join(names)}" for place, names in found.items() if names}
        both = {place: (notes.get(place, ""), said.get(place, "")) for place in {**notes, **said}}
        return {place: "; ".join(filter(None, words)) for place, words in both.items()}


def _tell_apart(factors: Mapping[str, Labels]) -> tuple[dict[str, Labels], dict[str, str]]:
    """Keep the factors that vary, and note those that always vary with an earlier one."""
    kept: dict[str, Labels] = {}
    others: dict[str, list[str]] = {}
    for name, labels in factors.items():
        if labels.max(initial=0) == 0:
            continue
        same = [k for k, own in kept.items() if settles(own, labels)]
        if same:
            others.setdefault(same[0], []).append(name)
        else:
            kept[name] = labels
    return kept, {name: f"with {', '.join(found)}" for name, found in others.items()}


def _alone(term: Term, terms: Sequence[Term], n: int) -> Term:
    """Give a choice the directions that it adds to all choices of which it is no part."""
    basis = np.full((n, 1), n**-0.5)
    for other in terms:
        if other.source != term.source and not settles(other.labels_N, term.labels_N):
            basis = np.concatenate([basis, add_directions(basis, other.labels_N)], 1)
    return term._replace(basis_NxP=add_directions(basis, term.labels_N))


def add_directions(basis_NxP: Array, labels_N: Labels) -> Array:
    """Give orthonormal directions of what the levels of a label add to a space.

    >>> add_directions(np.full((4, 1), 0.5), np.array([0, 0, 1, 1])).round(3).T.tolist() in (
    ...     [[0.5, 0.5, -0.5, -0.5]], [[-0.5, -0.5, 0.5, 0.5]])
    True
    """
    levels_NxL = np.eye(int(labels_N.max(initial=0)) + 1)[labels_N]
    levels_NxL /= np.sqrt(np.maximum(levels_NxL.sum(0), 1))
    new = orthonormalise(levels_NxL - basis_NxP @ (basis_NxP.T @ levels_NxL))
    # Once more, because what is small was divided by little.
    return orthonormalise(new - basis_NxP @ (basis_NxP.T @ new))


def orthonormalise(columns_NxP: Array) -> Array:
    """Give orthonormal directions of the space of some columns, none of which is longer than 1."""
    squares, turned = np.linalg.eigh(columns_NxP.T @ columns_NxP)
    kept = squares > _TINY
    return np.asarray(columns_NxP @ (turned[:, kept] / np.sqrt(squares[kept])))


def spread_of(basis_NxP: Array, labels_N: Labels) -> float:
    """Give what a variance of one between the levels of a label adds to a sum of squares."""
    sums_LxP = np.zeros((int(labels_N.max()) + 1, basis_NxP.shape[1]))
    np.add.at(sums_LxP, labels_N, basis_NxP)
    return float((sums_LxP**2).sum())


def number(labels: Sequence[Any]) -> Labels:
    """Number labels of any kind from 0."""
    return np.unique([str(label) for label in labels], return_inverse=True)[1].astype(np.int64)


def join(*labels: Labels) -> Labels:
    """Number what several labels say together.

    >>> join(np.array([0, 0, 1]), np.array([0, 1, 1])).tolist()
    [0, 1, 2]
    """
    found = labels[0]
    for label in labels[1:]:
        together = found * (int(label.max(initial=0)) + 1) + label
        found = np.unique(together, return_inverse=True)[1].astype(np.int64)
    return found


def settles(one_N: Labels, other_N: Labels) -> bool:
    """Tell whether one label says what the other is.

    >>> settles(np.array([0, 1, 2]), np.array([0, 0, 1])), settles(np.zeros(2, int), np.arange(2))
    (True, False)
    """
    return len(np.unique(join(one_N, other_N))) == len(np.unique(one_N))
