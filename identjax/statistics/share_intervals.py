"""Intervals of shares of variation, by simulating designs in which one share is what it might be.

Axes: R draw, T choice, K seed (the residual last).
"""

import dataclasses
from collections.abc import Callable

import numpy as np
from scipy import special

from identjax.statistics.intervals import Array
from identjax.statistics.shares import Form, Shape, Variation

DRAWS, _STEPS = 1000, 11
# How much larger than its noise an effect must be for its direction to be known.
_CLEAR = 4.0
# Less than half of .05, because the other shares are taken as they were estimated.
_TAIL = 0.015


@dataclasses.dataclass(frozen=True)
class Luck:
    """Draws that serve every design: of the mean squares of seeds, and of the noise of choices."""

    seeds_RxK: Array
    ahead_RxT: Array
    beside_RxT: Array

    @classmethod
    def draw(cls, form: Form, shape: Shape, along_T: Array, seed: int, draws: int) -> "Luck":
        """Draw mean squares with mean one, and for choices noise along the effect and besides."""
        random = np.random.default_rng(seed)
        freedom_K = shape.freedom_K
        seeds = random.gamma(freedom_K / 2, 2 / freedom_K, (draws, len(freedom_K)))
        ahead = random.standard_normal((draws, len(form.df_T)))
        ranks = np.argsort(np.argsort(seeds, 0), 0)[:, shape.error_T]
        ahead = shape.skew_T * special.ndtri((ranks + 0.5) / draws) + (
            np.sqrt(1 - shape.skew_T**2) * ahead
        )
        # The squares beside those along the effect, by their mean and variance.
        mean_T = np.maximum(form.df_T - along_T, 0)
        spread_T = 2 * np.maximum(form.df_T * shape.even_T - along_T**2, 0)
        some_T = (mean_T > 1e-9) & (spread_T > 1e-9)
        scale_T = np.where(some_T, spread_T / np.where(some_T, mean_T, 1), 1)
        drawn = random.gamma(np.where(some_T, mean_T / scale_T, 1), scale_T, ahead.shape)
        return cls(seeds, np.sqrt(along_T) * ahead, np.where(some_T, drawn, mean_T))


Plant = Callable[[Luck, float], Variation]


def find_intervals(
    form: Form, found: Variation, shape: Shape, seed: int = 0, draws: int = DRAWS
) -> list[tuple[float, float]]:
    """Give the 95% interval of each share, choices first: those under which it is no surprise.

    A share lies in it unless no more than 1.5% of the data sets that have it, and the other parts
    as they were estimated, give an estimate as large as the one found, or as small. 0 lies in it,
    too, unless the ratio to its noise would be as large in no more of them. For one number and one
    kind of noise that is the inversion of the F test. Ends are from 0 to 1.
    """
    ratios, estimates = _compare_with_noise(form, found), _join(found) / found.total
    lows, highs = (
        Luck.draw(form, shape, along_T, seed, draws)
        for along_T in (shape.along_T, _most_along(form, found, shape))
    )
    intervals = []
    for target, estimate in enumerate(estimates):
        simulate = _plant(form, found, target)

        def share_of(
            luck: Luck, share: float, target: int = target, simulate: Plant = simulate
        ) -> Array:
            made = simulate(luck, share)
            return np.asarray(_join(made)[..., target] / made.total)

        nothing = _compare_with_noise(form, simulate(lows, 0.0))[..., target]
        clear = float((nothing >= ratios[target] * (1 - 1e-9)).mean()) < _TAIL
        low, high = _invert(share_of, lows, highs, float(estimate))
        intervals.append((low if clear else 0.0, high))
    return intervals


def _plant(form: Form, found: Variation, target: int) -> Plant:
    """Make what draws data sets in which a source has some share, and the others what they have."""
    back_KxK = np.asarray(np.linalg.inv(form.mixed_KxK), np.float64)
    plain = np.maximum(_join(found), 0)
    here = np.arange(len(plain)) == target
    others = np.where(here, 0, plain)
    if others.sum() <= 1e-9 * plain.sum():
        others = np.where(here, 0, [*form.df_T, *form.df_K])

    def simulate(luck: Luck, share: float) -> Variation:
        truth = np.where(here, share / (1 - share) * others.sum(), others)
        return _simulate(form, luck, back_KxK, truth, found.common)

    return simulate


def _join(parts: Variation) -> Array:
    return np.concatenate([parts.choices_T, parts.seeds_K], -1)


def _compare_with_noise(form: Form, parts: Variation) -> Array:
    """Give each source's part over the noise in it; that of the residual is never in doubt."""
    drawn_K, own_K = np.maximum(parts.seeds_K, 0), np.diag(form.mixed_KxK)
    noise_T = drawn_K @ form.noise_TxK.T / form.n
    noise_K = drawn_K @ form.mixed_KxK.T / own_K - drawn_K
    noise = np.concatenate([noise_T, noise_K], -1)
    values = _join(parts)
    ratio = np.divide(values, noise, out=np.full(values.shape, np.inf), where=noise > 0)
    return np.where(values > 0, ratio, -np.inf)


def _most_along(form: Form, found: Variation, shape: Shape) -> Array:
    """Give the noise along effects that may lie along most of it, as far as they are noise."""
    noise_T = form.noise_TxK @ np.maximum(found.seeds_K, 0)
    sure_T = np.maximum(found.choices_T, 0) * form.n
    weight_T = sure_T / np.maximum(sure_T + _CLEAR * noise_T, 1e-300)
    return np.asarray(weight_T * shape.along_T + (1 - weight_T) * shape.most_T)


def _simulate(form: Form, luck: Luck, back_KxK: Array, truth: Array, common: float) -> Variation:
    """Draw what would be found if these were the parts."""
    true_T, true_K = np.split(truth, [len(form.df_T)])
    found_K = (luck.seeds_RxK * (form.mixed_KxK @ true_K)) @ back_KxK.T
    noise_T = (form.noise_TxK @ true_K) / form.df_T
    ahead = np.sqrt(form.n * true_T) + np.sqrt(noise_T) * luck.ahead_RxT
    found_T = (ahead**2 + noise_T * luck.beside_RxT - found_K @ form.noise_TxK.T) / form.n
    return Variation(found_T, found_K, common)


def _invert(
    simulate: Callable[[Luck, float], Array], lows: Luck, highs: Luck, estimate: float
) -> tuple[float, float]:
    """Find the least and the greatest share that does not make the estimate a surprise."""
    top = 1 - 1e-6

    def too_large(share: float) -> bool:
        return float((simulate(lows, share) >= estimate - 1e-12).mean()) < _TAIL

    def too_small(share: float) -> bool:
        return float((simulate(highs, share) <= estimate + 1e-12).mean()) < _TAIL

    low = _bisect(too_large, 0.0, top) if too_large(0.0) else 0.0
    high = _bisect(lambda share: not too_small(share), 0.0, top) if too_small(top) else 1.0
    return low, max(low, high)


def _bisect(holds: Callable[[float], bool], low: float, high: float) -> float:
    """Find where something that holds from the lower end on ceases to hold."""
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return (low + high) / 2
