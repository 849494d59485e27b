"""Members' laws at the contexts of a truth, and how far their laws are from any one law.

Axes: M member, S context, N place, V vocabulary.
"""

import numpy as np

from identjax.evaluation.likelihood import excess_along, laws_along
from identjax.languages.contexts import Contexts
from identjax.predictor import Predictor


def laws_at(stack: Predictor, contexts: Contexts, members: int | None = None) -> np.ndarray:
    """Log p of the next token after every context, by every member, [M, S, V]."""
    return contexts.at(laws_along(stack, contexts.tokens, members))


def kl_from(log_p_NxV: np.ndarray, log_q_MxNxV: np.ndarray) -> np.ndarray:
    """KL(p‖q) in nats of one law from every member at every place, [M, N]; +inf where q rules out
    what p does, or is not finite.

    At the contexts of a truth Σ_s p(s) KL(p(·|s)‖q(·|s)) is that of whole strings: the chain rule.
    """
    return np.maximum(excess_along(log_p_NxV[:, None], log_q_MxNxV[:, :, None]), 0)


def js_from(log_p_NxV: np.ndarray, log_q_MxNxV: np.ndarray) -> np.ndarray:
    """The Jensen–Shannon divergence of one law and every member's at every place, [M, N], in nats.

    >>> p, q = np.log([[0.5, 0.5]]), np.log([[[0.25, 0.75]], [[0.5, 0.5]]])
    >>> kl_from(p, q).round(4).tolist(), js_from(p, q).round(4).tolist()
    ([[0.1438], [0.0]], [[0.0338], [0.0]])
    """
    p_NxV = np.exp(np.asarray(log_p_NxV, np.float64))
    found = []
    for log_q_NxV in log_q_MxNxV:
        q_NxV = np.exp(log_q_NxV.astype(np.float64))
        mean_NxV = (p_NxV + q_NxV) / 2
        sides_NxV = _lost(p_NxV, mean_NxV) + _lost(q_NxV, mean_NxV)
        found.append(np.maximum(sides_NxV.sum(1) / 2, 0))
    return np.stack(found)


def _lost(p: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Give p log(p / mean), 0 where p is."""
    return p * np.log(np.where(p > 0, p, 1) / np.where(p > 0, mean, 1))
