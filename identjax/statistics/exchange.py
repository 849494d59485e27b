"""What may change places if a source explains nothing, and all or many ways to do so.

Axes: N member, A arrangement.
"""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from identjax.statistics.terms import Labels, join, number, settles

Rows = npt.NDArray[np.int64]


class Move(NamedTuple):
    """Members of a block move together, to the place of another block of their stratum.

    Blocks change places where they have members at the same places; unless they need not be
    `alike`, where each block has one label, and that alone is exchanged. `labels` are what is told
    apart: arrangements that leave them as they are count as one.
    """

    blocks_N: Labels
    strata_N: Labels
    places_N: Labels
    labels_N: Labels
    alike: bool = True


class Arrangements(NamedTuple):
    """Ways to exchange labels: the member whose labels each member gets, the one found first.

    `least_p` is the least p that they give. `all_there_are` tells whether they were enumerated,
    each that differs once.
    """

    rows_AxN: Rows
    least_p: float
    all_there_are: bool


def arrange(move: Move, permutations: int = 999, seed: int = 0) -> Arrangements:
    """List every arrangement where there are no more than `permutations`, else draw so many.

    >>> four = np.array([0, 0, 1, 1])
    >>> one = Move(np.arange(4), four * 0, four * 0, four)
    >>> arrange(one).rows_AxN.shape, round(arrange(one).least_p, 2), arrange(one).all_there_are
    ((6, 4), 0.33, True)
    """
    groups, n = _find_groups(move), len(move.labels_N)
    count = math.prod(_count_orders(group.kinds) for group in groups)
    groups = [group for group in groups if len(group.kinds) > 1]
    if count <= permutations + 1:
        listed = list(itertools.product(*(list(_list_orders(group.kinds)) for group in groups)))
        rows_AxN = np.tile(np.arange(n), (count, 1))
        for place, group in enumerate(groups):
            group.exchange(rows_AxN, np.array([orders[place] for orders in listed]))
        labels_AxN = move.labels_N[rows_AxN]
        first = np.flatnonzero((labels_AxN == move.labels_N).all(1))[0]
        rows_AxN[[0, first]] = rows_AxN[[first, 0]]
        same = sum(_is_renamed(move.labels_N, labels_N) for labels_N in labels_AxN)
        return Arrangements(rows_AxN, same / count, True)
    random = np.random.default_rng(seed)
    rows_AxN = np.tile(np.arange(n), (permutations + 1, 1))
    for group in groups:
        order = np.tile(np.arange(len(group.kinds)), (permutations, 1))
        group.exchange(rows_AxN[1:], random.permuted(order, axis=1))
    return Arrangements(rows_AxN, 1 / (permutations + 1), False)


class _Group(NamedTuple):
    """Blocks that may change places: their rows together, how many each has, and its labels."""

    rows: Rows
    sizes: Rows
    kinds: Labels
    alike: bool

    def exchange(self, rows_AxN: Rows, order_AxB: Rows) -> None:
        """Put for each block the rows of another; of one that is not alike, the first."""
        starts = np.cumsum(self.sizes) - self.sizes
        inside = np.arange(len(self.rows)) - np.repeat(starts, self.sizes)
        block = np.repeat(np.arange(len(self.sizes)), self.sizes)
        begin_AxR = starts[order_AxB[:, block]]
        rows_AxN[:, self.rows] = self.rows[begin_AxR + inside * self.alike]


def _find_groups(move: Move) -> list[_Group]:
    """List blocks, their rows in order of their places, by those that may change places."""
    order = np.lexsort((np.arange(len(move.places_N)), move.places_N, move.blocks_N))
    ends = np.flatnonzero(np.diff(move.blocks_N[order])) + 1
    found: dict[tuple[int, ...], list[Rows]] = {}
    for rows in np.split(order, ends):
        places = move.places_N[rows].tolist() if move.alike else ()
        found.setdefault((int(move.strata_N[rows[0]]), *places), []).append(rows)
    groups = []
    for blocks in found.values():
        own = [move.labels_N[rows if move.alike else rows[:1]].tolist() for rows in blocks]
        sizes = np.array([len(rows) for rows in blocks])
        groups.append(_Group(np.concatenate(blocks), sizes, number(own), move.alike))
    return groups


def _count_orders(kinds: Labels) -> int:
    """Count the different orders of things of some kinds."""
    counts = np.bincount(kinds).tolist()
    return math.factorial(len(kinds)) // math.prod(map(math.factorial, counts))


def _list_orders(kinds: Labels) -> Iterator[Rows]:
    """List them: which thing comes to each place."""
    things = [np.flatnonzero(kinds == kind).tolist() for kind in range(int(kinds.max()) + 1)]

    def fill(left: list[list[int]]) -> Iterator[list[int]]:
        if not any(left):
            yield []
        for kind, own in enumerate(left):
            if own:
                rest = [*left[:kind], own[1:], *left[kind + 1 :]]
                yield from ([own[0], *more] for more in fill(rest))

    yield from map(np.array, fill(things))


def _is_renamed(one_N: Labels, other_N: Labels) -> bool:
    return settles(one_N, other_N) and settles(other_N, one_N)


def move_choice(
    name: str, choices: Mapping[str, Labels], seeds: Mapping[str, Labels], strata_N: Labels
) -> Move:
    """Say what may change places if a choice does nothing, whatever the other choices do.

    Where a seed's members share the choice, they move as a whole, among those that are alike in
    all other choices that they share. Otherwise the choice is exchanged within each seed.
    """
    labels_N = choices[name]
    others = {k: own for k, own in choices.items() if k != name and not settles(own, labels_N)}
    whole = [own for own in seeds.values() if settles(own, labels_N)]
    zero = np.zeros_like(labels_N)
    if whole or not seeds:
        unit_N = join(*whole) if whole else np.arange(len(labels_N))
        # Seeds of which each unit has one pair the units that share it.
        beside = [own for own in seeds.values() if not settles(own, labels_N)]
        fixed = [own for own in (*others.values(), *beside) if settles(unit_N, own)]
        free = [own for own in (*others.values(), *beside) if not settles(unit_N, own)]
        return Move(unit_N, join(strata_N, *fixed), join(zero, *free), labels_N)
    first, *rest = seeds.values()
    strata_N = join(strata_N, first, *others.values())
    return Move(join(strata_N, labels_N), strata_N, join(zero, *rest), labels_N)


def move_residuals(
    names: Sequence[str],
    choices: Mapping[str, Labels],
    seeds: Mapping[str, Labels],
    strata_N: Labels,
) -> Move:
    """Say where what is left of all other choices may come if an interaction does nothing."""
    labels_N, zero = join(*choices.values()), np.zeros_like(strata_N)
    whole = [own for own in seeds.values() if any(settles(own, choices[k]) for k in names)]
    if whole or not seeds:
        unit_N = join(*whole) if whole else np.arange(len(labels_N))
        free = [own for own in (*choices.values(), *seeds.values()) if not settles(unit_N, own)]
        return Move(unit_N, strata_N, join(zero, *free), labels_N)
    first, *rest = seeds.values()
    strata_N = join(strata_N, first)
    return Move(join(strata_N, labels_N), strata_N, join(zero, *rest), labels_N)


def move_seed(name: str, choices: Mapping[str, Labels], seeds: Mapping[str, Labels]) -> Move:
    """Say what may change places if a seed does nothing, whatever the other seeds do.

    Members with all seeds alike move together; where that is all that this seed has, each moves
    alone, among those that are alike in all choices.
    """
    labels_N, run_N = seeds[name], join(*seeds.values())
    zero = np.zeros_like(labels_N)
    others = [own for own in seeds.values() if not settles(own, labels_N)]
    if settles(labels_N, run_N):
        return Move(np.arange(len(zero)), join(zero, *choices.values()), zero, labels_N)
    shared = [own for own in choices.values() if settles(run_N, own)]
    free = [own for own in choices.values() if not settles(run_N, own)]
    return Move(run_N, join(zero, *others, *shared), join(zero, *free), labels_N)
