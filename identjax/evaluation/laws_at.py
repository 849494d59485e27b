"""Members at the contexts of a truth: their laws, and how far these are from the truth's.

Axes: M member, S context, V vocabulary.
"""

import numpy as np

from identjax.evaluation.likelihood import excess_along, laws_along
from identjax.languages.contexts import Contexts
from identjax.predictor import Predictor


def laws_at(stack: Predictor, contexts: Contexts, members: int | None = None) -> np.ndarray:
    """Log p of the next token after every context, by every member, [M, S, V]."""
    return contexts.at(laws_along(stack, contexts.tokens, members))


def kl_at(contexts: Contexts, log_q_MxSxV: np.ndarray) -> np.ndarray:
    """KL(p(·|s)‖q(·|s)) at every context, [M, S]; +inf where q is impossible or not finite.

    Σ_s p(s) KL(p(·|s)‖q(·|s)) is the KL of whole strings: the chain rule.
    """
    kl_MxS = excess_along(contexts.log_law[:, None], log_q_MxSxV[:, :, None])
    return np.maximum(kl_MxS, 0)


def js_at(contexts: Contexts, log_q_MxSxV: np.ndarray) -> np.ndarray:
    """The Jensen–Shannon divergence of p(·|s) and q(·|s) at every context, [M, S]."""
    p_SxV = np.exp(contexts.log_law)
    found = []
    for log_q_SxV in log_q_MxSxV:
        q_SxV = np.exp(log_q_SxV.astype(np.float64))
        mean_SxV = (p_SxV + q_SxV) / 2
        sides_SxV = _lost(p_SxV, mean_SxV) + _lost(q_SxV, mean_SxV)
        found.append(np.maximum(sides_SxV.sum(1) / 2, 0))
    return np.stack(found)


def _lost(p: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Give p log(p / mean), 0 where p is."""
    return p * np.log(np.where(p > 0, p, 1) / np.where(p > 0, mean, 1))
