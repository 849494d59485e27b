"""Two members compared in NumPy, as a user would who has two tables of log probabilities."""

import numpy as np


def compare_pair(
    log_a_KxV: np.ndarray, log_b_KxV: np.ndarray, weights_K: np.ndarray
) -> tuple[float, ...]:
    """Give KL both ways, JS and TV of two laws that are possible in the same places."""
    a, b = np.exp(log_a_KxV), np.exp(log_b_KxV)
    possible = (a > 0) | (b > 0)
    log_a, log_b = np.where(possible, log_a_KxV, 0), np.where(possible, log_b_KxV, 0)
    log_m = np.log(np.where(possible, (a + b) / 2, 1))
    gaps = (
        a * (log_a - log_b),
        b * (log_b - log_a),
        (a * (log_a - log_m) + b * (log_b - log_m)) / 2,
        np.abs(a - b) / 2,
    )
    return tuple(float(weights_K @ gap.sum(-1)) for gap in gaps)
