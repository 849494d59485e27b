"""Divergences between all pairs of members, from their laws at the same positions.

Laws come as log probabilities [M, K, V], whatever made them: K positions, each with a weight.
Axes A and B are members too, of a tile of pairs.
"""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from identjax.stacks import spread_rows

TILE = 32


class Divergences(NamedTuple):
    """All pairs [M, M] in nats (tv in shares): kl[a, b] is KL(a‖b); js and tv are symmetric."""

    kl: np.ndarray
    js: np.ndarray
    tv: np.ndarray


def measure_divergences(log_p_MxKxV: np.ndarray, weights_K: np.ndarray) -> Divergences:
    """Σ_k w_k D(a_k, b_k) for D = KL, JS and TV, over all pairs of members.

    KL(a‖b) = Σ a log(a/b); JS = ½KL(a‖m) + ½KL(b‖m) with m = (a+b)/2; TV = ½Σ|a−b|. With
    weights 1/K it is a mean over positions; with the probabilities of whole strings at each of
    their positions it is nats per sequence.

    >>> a, b = np.log([[0.5, 0.5]]), np.log([[0.25, 0.75]])
    >>> found = measure_divergences(np.stack([a, b]), np.ones(1))
    >>> found.kl.round(4).tolist(), found.tv[0, 1].item()
    ([[0.0, 0.1438], [0.1308, 0.0]], 0.25)
    """
    log_p_MxC, weights_C = _drop_impossible(log_p_MxKxV, weights_K)
    js, tv = _measure_symmetric(log_p_MxC, weights_C)
    return Divergences(kl_by_product(log_p_MxC, weights_C), js, tv)


def _drop_impossible(
    log_p_MxKxV: np.ndarray, weights_K: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Lay positions and tokens out as columns, without those that no member can choose."""
    m, k, v = log_p_MxKxV.shape
    flat_MxC = log_p_MxKxV.reshape(m, k * v)
    weights_C = np.repeat(weights_K, v)
    used_C = (flat_MxC > -np.inf).any(0) & (weights_C > 0)
    return flat_MxC[:, used_C], weights_C[used_C]


def kl_by_product(log_p_MxC: np.ndarray, weights_C: np.ndarray, block: int = 8192) -> np.ndarray:
    """KL of all pairs over weighted columns: products Σ a log b in double precision, by blocks."""
    m = len(log_p_MxC)
    own_M, cross_MxM, lost_MxM = np.zeros(m), np.zeros((m, m)), np.zeros((m, m))
    for first in range(0, log_p_MxC.shape[1], block):
        log_p = log_p_MxC[:, first : first + block].astype(np.float64)
        p = np.exp(log_p) * weights_C[first : first + block]
        impossible = log_p == -np.inf
        if impossible.any():
            # An impossible token adds nothing to its own side, and infinity to the other.
            lost_MxM += p @ impossible.T.astype(np.float64)
            log_p[impossible] = 0
        own_M += (p * log_p).sum(1)
        cross_MxM += p @ log_p.T
    kl_MxM = np.maximum(own_M[:, None] - cross_MxM, 0)
    np.fill_diagonal(kl_MxM, 0)
    return np.where(lost_MxM > 0, np.inf, kl_MxM)


def _measure_symmetric(
    log_p_MxC: np.ndarray, weights_C: np.ndarray, block: int = 4096
) -> tuple[np.ndarray, np.ndarray]:
    """JS and TV, elementwise over tiles of pairs, by blocks of columns."""
    m, columns = log_p_MxC.shape
    size = min(TILE, 1 << (m - 1).bit_length())
    starts = range(0, m, size)
    places = np.array([(a, b) for a in starts for b in starts if a <= b], np.int32)
    js_MxM, tv_MxM = np.zeros((m, m)), np.zeros((m, m))
    for first in range(0, columns, block):
        log_p = log_p_MxC[:, first : first + block]
        # One shape for all blocks: columns of zeros add nothing.
        p_CxM = np.zeros((min(block, columns), len(starts) * size), np.float32)
        p_CxM[: log_p.shape[1], :m] = (np.exp(log_p) * weights_C[first : first + block]).T
        for (a, b), (js, tv) in zip(places, _measure_tiles(p_CxM, places), strict=True):
            js_MxM[a : a + size, b : b + size] += js[: m - a, : m - b]
            tv_MxM[a : a + size, b : b + size] += tv[: m - a, : m - b]
    return _mirror(js_MxM), _mirror(tv_MxM)


def _mirror(upper_MxM: np.ndarray) -> np.ndarray:
    above = np.triu(upper_MxM, 1)
    return np.asarray(above + above.T)


def _measure_tiles(p_CxM: np.ndarray, places_Px2: np.ndarray) -> np.ndarray:
    """JS and TV of every tile, [P, 2, A, B]; tiles are dealt out to the devices."""
    devices = jax.device_count()
    padded = np.resize(places_Px2, (-(-len(places_Px2) // devices) * devices, 2))
    entropy_CxM = p_CxM * np.log(np.where(p_CxM > 0, p_CxM, 1)) / 2
    found = spread_rows(_walk_tiles)(padded, p_CxM, entropy_CxM)
    return np.asarray(found, np.float64)[: len(places_Px2)]


def _walk_tiles(places_Px2: jax.Array, p_CxM: jax.Array, entropy_CxM: jax.Array) -> jax.Array:
    # As wide as all members, where they are fewer than a tile has.
    size = min(TILE, p_CxM.shape[1])

    def measure(place: jax.Array) -> jax.Array:
        def cut(columns_CxM: jax.Array, side: int) -> jax.Array:
            return lax.dynamic_slice_in_dim(columns_CxM, place[side], size, 1)

        a, b = cut(p_CxM, 0)[:, :, None], cut(p_CxM, 1)[:, None, :]
        own = cut(entropy_CxM, 0)[:, :, None] + cut(entropy_CxM, 1)[:, None, :]
        return jnp.stack(_js_and_tv(a, b, own))

    return lax.map(measure, places_Px2)


def _js_and_tv(a: jax.Array, b: jax.Array, own: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Σ over the first axis; `own` is ½(a log a + b log b).

    JS is ½(a log a + b log b) − m log m with m = (a+b)/2. Where a and b are near, that would
    lose its digits: there it is m·Σ_k x^2k/(2k(2k−1)) with x = (a−b)/(a+b), to k = 6.
    """
    mean, half_gap = (a + b) / 2, jnp.abs(a - b) / 2
    x = half_gap / jnp.maximum(mean, 1e-30)
    s = x * x
    series = 1 / 90 + s * (1 / 132)
    for divisor in (56, 30, 12, 2):
        series = 1 / divisor + s * series
    far = own - mean * jnp.log(jnp.maximum(mean, 1e-30))
    return jnp.where(s < 0.09, mean * s * series, far).sum(0), half_gap.sum(0)


def measure_churn(labels_MxN: np.ndarray) -> np.ndarray:
    """Share of prompts whose completions differ, [M, M]; equal completions have equal labels.

    >>> measure_churn(np.array([[0, 1, 2, 3], [0, 1, 2, 9]]))[0, 1].item()
    0.25
    """
    return np.stack([(labels_MxN != row).mean(1) for row in labels_MxN])


def measure_profile(rates_MxR: np.ndarray) -> np.ndarray:
    """Mean absolute difference of the rule rates, [M, M]; rules without a rate are left out.

    >>> measure_profile(np.array([[1.0, 0.5, np.nan], [0.5, 0.5, np.nan]]))[0, 1].item()
    0.25
    """
    judged = rates_MxR[:, ~np.isnan(rates_MxR).any(0)]
    if not judged.shape[1]:
        return np.zeros((len(judged), len(judged)))
    return np.stack([np.abs(judged - row).mean(1) for row in judged])


def sample_members(cells: Sequence[object], ids: Sequence[str], most: int) -> list[int]:
    """Choose at most `most` members, evenly over cells, by id: the same ones at every call.

    >>> sample_members(["a", "a", "a", "b"], ["m3", "m1", "m2", "m4"], most=2)
    [1, 3]
    """
    order = sorted(range(len(ids)), key=lambda row: ids[row])
    if len(order) <= most:
        return order
    seen: Counter[object] = Counter()
    turns = []
    for row in order:
        turns.append((seen[cells[row]], str(cells[row]), ids[row], row))
        seen[cells[row]] += 1
    return sorted((turn[-1] for turn in sorted(turns)[:most]), key=lambda row: ids[row])
