"""How often intervals over few seeds hold what they should, and how wide they are.

A nominal .95 must be .92 or more in every design whose interval is printed.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from identjax.statistics.intervals import (
    SHARES,
    Interval,
    contrast_unpaired,
    pair_interval,
    seed_interval,
)
from identjax.statistics.slopes import FEWEST_MEMBERS, pair_slope
from launch.calibration.bounded_means import RIVALS
from launch.calibration.design import DESIGNS, Finding

Array = npt.NDArray[np.float64]
Draw = Callable[[np.random.Generator, tuple[int, ...]], Array]
COUNTS = (5, 8, 16, 64)
LEAST = 0.92
RESAMPLES = 1000
EPSILONS = np.array([1.0, 0.3, 0.1, 0.03, 0.01])
MANY = 1_000_000


class Law(NamedTuple):
    """Values between 0 and 1, and their mean."""

    draw: Draw
    mean: float


def _mix(first: float, low: float, high: float, spread: float) -> Law:
    """Mix two peaks, the first with this weight, each uniform within the spread."""

    def draw(random: np.random.Generator, size: tuple[int, ...]) -> Array:
        peak = np.where(random.random(size) < first, low, high)
        return np.clip(peak + spread * random.uniform(-1, 1, size), 0, 1)

    return Law(draw, first * low + (1 - first) * high)


def _beta(a: float, b: float) -> Law:
    return Law(lambda random, size: random.beta(a, b, size), a / (a + b))


RATES: Mapping[str, Law] = {
    "narrow": Law(lambda random, size: np.clip(random.normal(0.5, 0.1, size), 0, 1), 0.5),
    "beta 2 2": _beta(2, 2),
    "two peaks": _mix(0.5, 0.1, 0.9, 0.05),
    "two peaks, 8 to 2": _mix(0.8, 0.1, 0.9, 0.05),
    "two peaks, 9 to 1": _mix(0.9, 0.9, 0.1, 0.05),
    "coins": _mix(0.5, 0.0, 1.0, 0.0),
    "near 1": _beta(20, 1),
    "near 0": _beta(0.5, 10),
    "rarely not 1": _mix(0.97, 1.0, 0.3, 0.0),
}


def judge(n: int, found: list[Interval], truth: float, least: float = LEAST) -> Iterator[Finding]:
    """Say how often intervals hold the truth, and how wide they are."""
    low_R, high_R = np.array([(one.low, one.high) for one in found]).T
    holds = (low_R <= truth + 1e-9) & (truth - 1e-9 <= high_R)
    yield Finding(f"n = {n}", "coverage", float(holds.mean()), least)
    yield Finding(f"n = {n}", "half-width", float(np.nanmean(high_R - low_R) / 2))


def register_rate(name: str, law: Law) -> None:
    """Register the design in which seeds' rates are of a law."""

    def run(runs: int, random: np.random.Generator) -> list[Finding]:
        found: list[Finding] = []
        for n in COUNTS:
            values_RxN = law.draw(random, (runs, n))
            ours = [
                seed_interval(own, bounds=SHARES, resamples=RESAMPLES, seed=run)
                for run, own in enumerate(values_RxN)
            ]
            found += judge(n, ours, law.mean)
            for rival, function in RIVALS.items():
                low_R, high_R = function(values_RxN)
                holds = (low_R <= law.mean + 1e-9) & (law.mean - 1e-9 <= high_R)
                found.append(Finding(f"n = {n}", f"coverage of {rival}", float(holds.mean())))
                width = float((high_R - low_R).mean() / 2)
                found.append(Finding(f"n = {n}", f"half-width of {rival}", width))
        return found

    run.__doc__ = f"The mean rate of seeds, where rates are {name}, and what others would give."
    DESIGNS.register(f"intervals/rates {name}")(run)


for _name, _law in RATES.items():
    register_rate(_name, _law)


@DESIGNS.register("intervals/without bounds")
def run_unbounded(runs: int, random: np.random.Generator) -> list[Finding]:
    """The mean of normal values, without bounds: a studentised bootstrap."""
    found: list[Finding] = []
    for n in COUNTS:
        draws = random.normal(size=(runs, n))
        ours = [seed_interval(own, resamples=RESAMPLES, seed=run) for run, own in enumerate(draws)]
        found += judge(n, ours, 0.0)
    return found


@DESIGNS.register("intervals/difference of rates")
def run_difference(runs: int, random: np.random.Generator) -> list[Finding]:
    """The difference of two mean rates, one near 1 and one of two peaks."""
    a, b = RATES["near 1"], RATES["two peaks, 8 to 2"]
    found: list[Finding] = []
    for n in COUNTS:
        pairs = zip(a.draw(random, (runs, n)), b.draw(random, (runs, n)), strict=True)
        ours = [
            contrast_unpaired(*pair, SHARES, resamples=RESAMPLES, seed=run).difference
            for run, pair in enumerate(pairs)
        ]
        found += judge(n, ours, a.mean - b.mean)
    return found


@DESIGNS.register("intervals/pairs")
def run_pairs(runs: int, random: np.random.Generator) -> list[Finding]:
    """The mean distance of two members whose places on a line are of each law of rates."""
    found: list[Finding] = []
    for name, law in RATES.items():
        far = law.draw(random, (2, 1_000_000))
        truth = float(np.abs(far[0] - far[1]).mean())
        for n in COUNTS:
            places = law.draw(random, (runs, n))
            apart = np.abs(places[:, :, None] - places[:, None, :])
            ours = [pair_interval(own, seed=run) for run, own in enumerate(apart)]
            told = judge(n, ours, truth)
            found += [one._replace(source=f"{name}, {one.source}") for one in told]
    return found


@DESIGNS.register("intervals/slopes")
def run_slopes(runs: int, random: np.random.Generator) -> list[Finding]:
    """The slope of divergence of members at places x·KL^b, whose b are one, spread, or two."""
    exponents: Mapping[str, Draw] = {
        "one exponent": lambda random, size: np.full(size, 0.3),
        "spread exponents": lambda random, size: random.normal(0.3, 0.15, size),
        "two exponents": lambda random, size: random.choice([0.0, 0.6], size),
    }
    found: list[Finding] = []
    for name, draw in exponents.items():
        truth = fit_population(*place_members(random, MANY, draw))
        for n in (FEWEST_MEMBERS, 16, 32):
            ours = [fit_members(*place_members(random, n, draw), seed=run) for run in range(runs)]
            told = judge(n, ours, truth)
            found += [one._replace(source=f"{name}, {one.source}") for one in told]
    return found


def place_members(random: np.random.Generator, m: int, draw: Draw) -> tuple[Array, Array]:
    """Place members on a line at every rung; give their places and their KLs, [K, M] each."""
    kl_KxM = EPSILONS[:, None] * random.uniform(0.4, 1, (len(EPSILONS), m))
    place_KxM = random.normal(size=m) * kl_KxM ** draw(random, (m,))
    return place_KxM + 0.15 * random.normal(size=place_KxM.shape) * kl_KxM**0.3, kl_KxM


def fit_members(place_KxM: Array, kl_KxM: Array, seed: int) -> Interval:
    """Give the slope over all pairs of few members, with its interval."""
    apart_KxMxM = np.abs(place_KxM[:, :, None] - place_KxM[:, None, :])
    every = np.ones(apart_KxMxM.shape[1:], bool)
    return pair_slope(apart_KxMxM, kl_KxM, every, resamples=500, seed=seed)


def fit_population(place_KxM: Array, kl_KxM: Array) -> float:
    """Give the slope over all pairs of many: of sorted places, Σ|x_i − x_j| is a weighted sum."""
    m = place_KxM.shape[1]
    weights_M = 2 * (2 * np.arange(m) - m + 1) / (m * (m - 1))
    apart_K = np.sort(place_KxM, 1) @ weights_M
    return float(np.polyfit(np.log(kl_KxM.mean(1)), np.log(apart_K), 1)[0])
