"""Measures of an ε-Rashomon set: all members within ε of the truth, taken together.

Axes: M member, N prompt, V vocabulary, L label, S size of a subset.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import special

# Steps of the capacity grow by this factor while they gain, and no weight falls faster than that.
STRETCH, LONGEST = 1.5, -30.0


def measure_ambiguity(labels_MxN: np.ndarray) -> float:
    """Share of prompts that some member completes otherwise than the reference does.

    Whichever member is the reference, it is the share of prompts on which not all agree. Of the
    ambiguity of Marx, Calmon and Ustun 2020 (arXiv 1909.06677), which is over every model within ε
    of the best, it is a lower bound: it grows with the number of members.

    >>> measure_ambiguity(np.array([[0, 1, 2, 3], [0, 1, 2, 9], [0, 7, 2, 3]]))
    0.5
    """
    return float((labels_MxN != labels_MxN[:1]).any(0).mean())


def measure_discrepancy(labels_MxN: np.ndarray, reference: int) -> float:
    """Share of prompts that the worst single member completes otherwise than the reference.

    max_m mean_n [label_mn ≠ label_ref,n], a lower bound in the same sense.

    >>> measure_discrepancy(np.array([[0, 1, 2, 3], [0, 1, 2, 9], [0, 7, 2, 3]]), reference=0)
    0.25
    """
    return float((labels_MxN != labels_MxN[reference]).mean(1).max())


def ambiguity_by_size(labels_MxN: np.ndarray, sizes: Sequence[int]) -> np.ndarray:
    """Mean ambiguity over all subsets of so many members, [S]: exact, without drawing any.

    Of a prompt that c_l of M members complete in the way l, a share Σ_l C(c_l, n)/C(M, n) of the
    subsets of n agrees.

    >>> ambiguity_by_size(np.array([[0, 1], [0, 2], [0, 2]]), [2, 3]).round(3).tolist()
    [0.333, 0.5]
    """
    m = len(labels_MxN)
    counts = [np.unique(column, return_counts=True)[1] for column in labels_MxN.T]
    agree_S = [
        np.mean([np.exp(_log_choose(c_L, n) - _log_choose(m, n)).sum() for c_L in counts])
        for n in sizes
    ]
    return np.maximum(1 - np.array(agree_S), 0)


def discrepancy_by_size(
    labels_MxN: np.ndarray, distance_M: np.ndarray, sizes: Sequence[int]
) -> np.ndarray:
    """Mean discrepancy over all subsets of so many members, [S]: exact.

    The reference of a subset is its member of the least distance (from the truth). Where that is
    the i-th nearest of all and d_1 ≤ … ≤ d_F are how much the F farther ones differ from it,
    C(j−1, n−2) of the C(M, n) subsets have it as reference and d_j as the greatest.

    >>> labels = np.array([[0, 1], [0, 2], [3, 2]])
    >>> discrepancy_by_size(labels, np.arange(3), [2, 3]).round(3).tolist()
    [0.667, 1.0]
    """
    m = len(labels_MxN)
    ordered_MxN = labels_MxN[np.argsort(distance_M, kind="stable")]
    total_S = np.zeros(len(sizes))
    for i in range(m - 1):
        apart_F = np.sort((ordered_MxN[i + 1 :] != ordered_MxN[i]).mean(1))
        below_F = np.arange(len(apart_F))
        for s, n in enumerate(sizes):
            weights_F = np.exp(_log_choose(below_F, n - 2) - _log_choose(m, n))
            total_S[s] += (weights_F * apart_F).sum()
    return total_S


def _log_choose(n: np.ndarray | int, k: int) -> np.ndarray:
    """Log of the number of ways to choose k of n; −∞ where there are fewer than k."""
    whole = np.asarray(n, np.float64)
    enough = np.maximum(whole, k)
    ways = special.gammaln(enough + 1) - special.gammaln(k + 1) - special.gammaln(enough - k + 1)
    return np.where(whole >= k, ways, -np.inf)


def measure_capacity(
    log_p_MxNxV: np.ndarray, tolerance: float = 1e-4, most_rounds: int = 5000
) -> np.ndarray:
    """Rashomon capacity of each prompt in nats, [N]: how much a next token can tell of its member.

    C_n = max_w Σ_m w_m KL(p_mn ‖ Σ_k w_k p_kn), by Blahut–Arimoto with lengthening steps, to
    within `tolerance` below the truth; 0 where all members agree, log of the number of laws where
    they are disjoint. Hsu and Calmon 2022, arXiv 2206.01295.

    >>> half, one = np.log([0.5, 0.5]), np.log([1.0, 1e-300])
    >>> same, apart = np.stack([half, half]), np.stack([half, one])
    >>> measure_capacity(np.stack([same, apart], 1)).round(3).tolist()
    [0.0, 0.223]
    """
    log_p_NxMxV = np.moveaxis(np.asarray(log_p_MxNxV, np.float64), 1, 0)
    p_NxMxV = np.exp(log_p_NxMxV)
    entropy_NxM = -np.where(p_NxMxV > 0, p_NxMxV * np.maximum(log_p_NxMxV, -1e300), 0).sum(-1)
    n, m, _ = p_NxMxV.shape
    capacity_N, open_N = np.zeros(n), np.arange(n)
    climb = _Climb(np.full((n, m), 1 / m), np.zeros((n, m)), np.full(n, -np.inf), np.ones((n, 1)))
    weights_NxM = climb.weights_NxM
    for _ in range(most_rounds):
        gains_NxM = _information(weights_NxM, p_NxMxV) - entropy_NxM
        climb = climb.judge(weights_NxM, gains_NxM)
        capacity_N[open_N] = climb.found_N
        # Σ w gain and max gain hold the capacity between them.
        on_N = climb.gains_NxM.max(1) - climb.found_N > tolerance
        if not on_N.any():
            break
        open_N, climb = open_N[on_N], _Climb(*(part[on_N] for part in climb))
        p_NxMxV, entropy_NxM = p_NxMxV[on_N], entropy_NxM[on_N]
        weights_NxM = climb.step()
    return np.maximum(capacity_N, 0)


class _Climb(NamedTuple):
    """The best weights so far with their gains and mean gain, and how long the next step is."""

    weights_NxM: np.ndarray
    gains_NxM: np.ndarray
    found_N: np.ndarray
    stride_Nx1: np.ndarray

    def judge(self, weights_NxM: np.ndarray, gains_NxM: np.ndarray) -> "_Climb":
        """Keep the weights that gained; take back a long step that lost: one of length 1 cannot."""
        found_N = (weights_NxM * gains_NxM).sum(1)
        lost_Nx1 = (found_N < self.found_N)[:, None]
        return _Climb(
            np.where(lost_Nx1, self.weights_NxM, weights_NxM),
            np.where(lost_Nx1, self.gains_NxM, gains_NxM),
            np.maximum(self.found_N, found_N),
            np.where(lost_Nx1, 1, STRETCH * self.stride_Nx1),
        )

    def step(self) -> np.ndarray:
        """Weigh members by the exponentials of their gains."""
        top_Nx1 = self.gains_NxM.max(1, keepdims=True)
        rise_NxM = np.maximum(self.stride_Nx1 * (self.gains_NxM - top_Nx1), LONGEST)
        raised_NxM = self.weights_NxM * np.exp(rise_NxM)
        return np.asarray(raised_NxM / raised_NxM.sum(1, keepdims=True))


def _information(weights_NxM: np.ndarray, p_NxMxV: np.ndarray) -> np.ndarray:
    """Give −Σ_v p_mv log Σ_k w_k p_kv for each member."""
    mean_NxV = np.matmul(weights_NxM[:, None], p_NxMxV)[:, 0]
    log_mean_NxV = np.log(np.where(mean_NxV > 0, mean_NxV, 1))
    return np.asarray(-np.matmul(p_NxMxV, log_mean_NxV[..., None])[..., 0])
