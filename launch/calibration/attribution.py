"""Shares of sources where they are known: of numbers and distances, crossed, nested, with gaps.

Axes: N member, D direction.
"""

import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np

from identjax.statistics.attribution import Layout, SourceShare
from identjax.statistics.intervals import Array
from identjax.statistics.shares import sum_squares
from identjax.statistics.terms import RESIDUAL, Labels, join
from launch.calibration.design import DESIGNS, Finding

COVERS, LEVEL, NEAR = 0.92, 0.07, 0.02
CHOICES, SEEDS = ("architecture", "optimizer"), ("init_seed", "data_seed")


@dataclasses.dataclass(frozen=True)
class Planted:
    """Two architectures (and optimizers), initialisations nested in the first, data crossed.

    `parts` are variances by source; for an effect of choices that of what is added to members.
    Where there are `directions`, members are points, and noise has these shares of itself in them;
    effects lie in the first one. `spreads` multiply noise by architecture; `missing` is the share
    of members that never came near.
    """

    parts: Mapping[str, float]
    optimizers: int = 1
    inits: int = 4
    datas: int = 4
    directions: Sequence[float] = (1.0,)
    spreads: Sequence[float] = (1.0, 1.0)
    distances: bool = False
    missing: float = 0.0
    noise: str = "normal"
    covers: float = COVERS
    aims: Mapping[str, float] = dataclasses.field(default_factory=dict)

    def simulate(self, runs: int, random: np.random.Generator) -> list[Finding]:
        """Split so many data sets; say how often each source was found to be what it is."""
        labels = self._label()
        n = len(labels["residual"])
        kept = np.flatnonzero(random.permutation(n) >= self.missing * n)
        labels = {name: own[kept] for name, own in labels.items()}
        choices, seeds = ({name: labels[name] for name in names} for names in (CHOICES, SEEDS))
        layout, found = Layout(choices, seeds, len(kept)), dict[str, list[SourceShare]]()
        effects_N = self._add_effects(labels)
        for _ in range(runs):
            points_NxD = self._draw(labels, random)
            points_NxD[:, 0] += effects_N
            values = points_NxD[:, 0]
            if self.distances:
                values = np.linalg.norm(points_NxD[:, None] - points_NxD, axis=-1)
            for row in layout.split(values):
                found.setdefault(row.source, []).append(row)
        truth = self._find_truth(layout, effects_N)
        return [one for name, rows in found.items() for one in self._judge(name, truth, rows)]

    def _label(self) -> dict[str, Labels]:
        sizes = 2, self.optimizers, self.inits, self.datas
        architecture, optimizer, init, data = np.array(
            list(itertools.product(*map(range, sizes)))
        ).T
        init = init + self.inits * architecture
        own = (architecture, optimizer, init, data, np.arange(len(init)))
        return dict(zip((*CHOICES, *SEEDS, RESIDUAL), own, strict=True))

    @property
    def _drawn(self) -> dict[str, float]:
        """The variances of seeds and the residual, the mean over architectures of them."""
        scale = float(np.mean(np.square(self.spreads)))
        drawn = (k for k in self.parts if not {*k.split(":")} <= {*CHOICES})
        return {name: scale * self.parts[name] for name in drawn}

    def _add_effects(self, labels: Mapping[str, Labels]) -> Array:
        """Give what choices add to members."""
        effects_N = np.zeros(len(labels[RESIDUAL]))
        for source in self.parts.keys() - self._drawn.keys():
            signs = math.prod(2.0 * labels[name] - 1 for name in source.split(":"))
            effects_N += math.sqrt(self.parts[source]) * signs
        return effects_N

    def _draw(self, labels: Mapping[str, Labels], random: np.random.Generator) -> Array:
        """Draw what seeds and the residual add to members, as points."""
        shares_D = np.asarray(self.directions, np.float64)
        points_NxD = np.zeros((len(labels[RESIDUAL]), len(shares_D)))
        for source in self._drawn:
            places = join(*(labels[name] for name in source.split(":")))
            drawn = self._draw_noise(random, places.max() + 1, len(shares_D))
            points_NxD += (np.sqrt(self.parts[source] * shares_D) * drawn)[places]
        return points_NxD * np.asarray(self.spreads)[labels[CHOICES[0]], None]

    def _draw_noise(self, random: np.random.Generator, many: int, directions: int) -> Array:
        """Draw noise of mean 0 and variance 1."""
        shape = many, directions
        if self.noise == "bounded":
            return (random.beta(1, 3, shape) - 0.25) / math.sqrt(3 / 80)
        if self.noise == "exponential":
            return random.exponential(size=shape) - 1
        return random.standard_normal(shape)

    def _find_truth(self, layout: Layout, effects_N: Array) -> dict[str, float]:
        """Give the share of each source among these members."""
        effects = (effects_N - effects_N.mean())[:, None]
        squares = sum_squares(layout.design, effects, effects)
        names = [term.source for term in layout.design.choices]
        own = dict(zip(names, squares.choices_T / len(effects), strict=True))
        total = squares.joint / len(effects) + sum(self._drawn.values())
        return {name: part / total for name, part in (own | self._drawn).items()}

    def _judge(
        self, name: str, truth: Mapping[str, float], rows: Sequence[SourceShare]
    ) -> list[Finding]:
        """Say the mean share of a source, what its intervals cover, and the level of its test."""
        true = max(truth.get(name, 0.0), 0.0)
        near = self.aims.get(name, NEAR if true < NEAR else math.inf)
        found = [Finding(name, "planted share", true)]
        mean = float(np.mean([row.share for row in rows]))
        found.append(Finding(name, "mean share", mean, true - near, true + near))
        ends = np.array([[row.low, row.high] for row in rows])
        if not np.isnan(ends).any():
            inside = float(((ends[:, 0] <= true) & (true <= ends[:, 1])).mean())
            found.append(Finding(name, "covered by its interval", inside, self.covers))
            above = float((ends[:, 0] > 0).mean())
            found.append(Finding(name, "interval above 0", above, *_at_most(true)))
        p = np.array([row.p for row in rows])
        if not np.isnan(p).any():
            found.append(Finding(name, "p at most .05", float((p <= 0.05).mean()), *_at_most(true)))
        return found


def _at_most(true: float) -> tuple[float, float]:
    return (-math.inf, math.inf) if true > 1e-9 else (-math.inf, LEVEL)


# The initialisation's standard deviation is .95 and the residual's .31, or both are one.
_UNEVEN = {"init_seed": 0.95**2, "residual": 0.31**2}
_EVEN = {"init_seed": 1.0, "residual": 1.0}
_SOME = {"architecture": 0.25, "optimizer": 0.05, "architecture:optimizer": 0.15}
_SOME |= {"init_seed": 0.2, "data_seed": 0.05, "optimizer:init_seed": 0.1, "residual": 0.2}
_HALF, _FEW = {"architecture": 0.5, "residual": 0.5}, (0.4, 0.25, 0.15, 0.1, 0.05, 0.05)
_ALONE = {"datas": 1, "directions": _FEW, "distances": True}
PLANTED: Mapping[str, tuple[str, Planted]] = {
    "nothing": ("No effect: 2 × 4 inits × 4 data.", Planted(_UNEVEN)),
    "nothing_even": ("The same, as much by init as is left.", Planted(_EVEN)),
    "nothing_nested": (
        "No effect: 2 × 2 optimizers × 4 inits × 4 data, inits nested in architectures.",
        Planted(_UNEVEN, 2),
    ),
    "nothing_nested_even": ("The same, as much by init as is left.", Planted(_EVEN, 2)),
    "crossover": (
        "80% is what architecture and optimizer only do together: 2 × 2 × 4 × 4.",
        Planted(
            {"architecture:optimizer": 0.8, "residual": 0.2},
            2,
            aims={"architecture:optimizer": 0.03},
        ),
    ),
    "crossover_one_data": (
        "The same with 8 inits and one order of data, so that optimizer × init is left over.",
        Planted(
            {"architecture:optimizer": 0.8, "init_seed": 0.1, "residual": 0.1},
            2,
            8,
            1,
            aims={"architecture:optimizer": 0.03},
        ),
    ),
    "planted": ("Seven sources at once: 2 × 2 × 8 inits × 4 data.", Planted(_SOME, 2, 8)),
    "planted_gaps": (
        "The same, where a fifth of the members never came near.",
        Planted(_SOME, 2, 8, missing=0.2),
    ),
    "half": ("One number, 2 × 16 inits, half by architecture.", Planted(_HALF, inits=16, datas=1)),
    "half_bounded": (
        "The same with bounded and skewed noise, Beta(1, 3), with a standard deviation twice as "
        "large in one architecture.",
        Planted(_HALF, inits=16, datas=1, noise="bounded", spreads=(4 / 3, 2 / 3)),
    ),
    "half_exponential": (
        "The same with exponential noise: a limit, of which nothing is asked.",
        Planted(_HALF, inits=16, datas=1, noise="exponential", covers=-math.inf),
    ),
    "distances_nothing": (
        "Points, 2 × 8 inits, no effect; noise in six directions, with a standard deviation three "
        "times as large in one architecture.",
        Planted({"residual": 1.0}, inits=8, spreads=(1.5, 0.5), **_ALONE),
    ),
    "distances_tenth": (
        "Points, 2 × 8 inits, a tenth by architecture, along the direction of most noise.",
        Planted({"architecture": 0.1, "residual": 0.9}, inits=8, **_ALONE),
    ),
    "distances_half": (
        "Points, 2 × 16 inits, half by architecture; the same noise.",
        Planted(_HALF, inits=16, spreads=(1.5, 0.5), **_ALONE),
    ),
    "distances_most": (
        "Points, 2 × 16 inits, 85% by architecture.",
        Planted({"architecture": 0.85, "residual": 0.15}, inits=16, **_ALONE),
    ),
    "distances_nested": (
        "Points, 2 × 2 × 8 inits × 4 data, seven sources.",
        Planted(_SOME, 2, 8, directions=_FEW, distances=True),
    ),
}


def _register(name: str, about: str, planted: Planted) -> None:
    def simulate(runs: int, random: np.random.Generator) -> list[Finding]:
        return planted.simulate(runs, random)

    simulate.__doc__ = about
    DESIGNS.register(f"attribution/{name}")(simulate)


for _name, _planted in PLANTED.items():
    _register(_name, *_planted)
