"""Measures of an ε-Rashomon set: all members within ε of the truth, taken together.

Axes: M member, N prompt, V vocabulary.
"""

import numpy as np


def measure_ambiguity(labels_MxN: np.ndarray) -> float:
    """Share of prompts that some member completes otherwise than the reference does.

    Whichever member is the reference, it is the share of prompts on which not all agree. It
    grows with the number of members. Marx, Calmon and Ustun 2020, arXiv 1909.06677.

    >>> measure_ambiguity(np.array([[0, 1, 2, 3], [0, 1, 2, 9], [0, 7, 2, 3]]))
    0.5
    """
    return float((labels_MxN != labels_MxN[:1]).any(0).mean())


def measure_discrepancy(labels_MxN: np.ndarray, reference: int) -> float:
    """Share of prompts that the worst single member completes otherwise than the reference.

    max_m mean_n [label_mn ≠ label_ref,n]. Marx, Calmon and Ustun 2020.

    >>> measure_discrepancy(np.array([[0, 1, 2, 3], [0, 1, 2, 9], [0, 7, 2, 3]]), reference=0)
    0.25
    """
    return float((labels_MxN != labels_MxN[reference]).mean(1).max())


def measure_capacity(
    log_p_MxNxV: np.ndarray, tolerance: float = 1e-4, most_rounds: int = 5000
) -> np.ndarray:
    """Rashomon capacity of each prompt in nats, [N]: how much a next token can tell of its member.

    C_n = max_w Σ_m w_m KL(p_mn ‖ Σ_k w_k p_kn), by Blahut–Arimoto, to within `tolerance` below
    the truth; 0 where all members agree, log of the number of laws where they are disjoint. Hsu
    and Calmon 2022, arXiv 2206.01295.

    >>> half, one = np.log([0.5, 0.5]), np.log([1.0, 1e-300])
    >>> same, apart = np.stack([half, half]), np.stack([half, one])
    >>> measure_capacity(np.stack([same, apart], 1)).round(3).tolist()
    [0.0, 0.223]
    """
    log_p_NxMxV = np.moveaxis(np.asarray(log_p_MxNxV, np.float64), 1, 0)
    p_NxMxV = np.exp(log_p_NxMxV)
    entropy_NxM = -np.where(p_NxMxV > 0, p_NxMxV * np.maximum(log_p_NxMxV, -1e300), 0).sum(-1)
    n, m, _ = p_NxMxV.shape
    weights_NxM, lower_N, open_N = np.full((n, m), 1 / m), np.zeros(n), np.arange(n)
    for _ in range(most_rounds):
        mean_NxV = np.matmul(weights_NxM[:, None], p_NxMxV)[:, 0]
        log_mean_NxV = np.log(np.where(mean_NxV > 0, mean_NxV, 1))
        gains_NxM = -entropy_NxM - np.matmul(p_NxMxV, log_mean_NxV[..., None])[..., 0]
        top_Nx1 = gains_NxM.max(1, keepdims=True)
        scaled_NxM = weights_NxM * np.exp(gains_NxM - top_Nx1)
        total_Nx1 = scaled_NxM.sum(1, keepdims=True)
        weights_NxM = scaled_NxM / total_Nx1
        lower_N[open_N] = (np.log(total_Nx1) + top_Nx1)[:, 0]
        # log Σ w e^gain and max gain hold the capacity between them.
        on_N = -np.log(total_Nx1[:, 0]) > tolerance
        if not on_N.any():
            break
        if not on_N.all():
            open_N, weights_NxM = open_N[on_N], weights_NxM[on_N]
            p_NxMxV, entropy_NxM = p_NxMxV[on_N], entropy_NxM[on_N]
    return np.maximum(lower_N, 0)


def measure_underspecification(stress_M: np.ndarray, iid_M: np.ndarray) -> float:
    """Standard deviation of a stress metric over seeds, over that of the metric in distribution.

    +inf where members do not differ in distribution but do under stress; NaN where they differ
    in neither. After D'Amour et al. 2020, arXiv 2011.03395.

    >>> measure_underspecification(np.array([0.1, 0.5, 0.9]), np.array([0.98, 0.99, 1.0]))
    40.0
    """
    if len(stress_M) < 2:
        return float("nan")
    above, below = float(stress_M.std(ddof=1)), float(iid_M.std(ddof=1))
    if below == 0:
        return float("inf") if above > 0 else float("nan")
    return round(above / below, 12)
