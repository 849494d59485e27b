"""All members of one truth at one rung, compared in pairs."""

from collections.abc import Sequence

import numpy as np

from identjax.evaluation.divergences import (
    Divergences,
    measure_churn,
    measure_divergences,
    measure_profile,
)
from identjax.evaluation.likelihood import POSITIONS, draw_strings, laws_along
from identjax.evaluation.measure import AtPairs, Found, Rows, measure
from identjax.evaluation.pair_tables import label_completions, pivot_rows
from identjax.query import where
from identjax.schema import schema_of

_NAMES = ("language", "rung", "split", "measure", "member_a", "member_b")
PAIRWISE = {**dict.fromkeys(_NAMES, str), "value": float}


@measure("pairwise", {"pairwise": schema_of(**PAIRWISE)}, needs="pairs")
def measure_pairs(at: AtPairs) -> Found:
    """Compare laws after prompts, laws along strings of the truth, completions and rule rates."""
    rows = []
    for split, laws_MxNxV in at.laws.items():
        weights_N = np.full(laws_MxNxV.shape[1], 1 / laws_MxNxV.shape[1])
        matrices = {
            **_named("next", measure_divergences(laws_MxNxV, weights_N)),
            **_compare_behaviour(at, split),
        }
        if split == "id":
            matrices |= _compare_sequences(at)
        for name, matrix in matrices.items():
            rows.append({"split": split, "measure": name, **list_pairs(at.ids, matrix, name)})
    return {"pairwise": rows}


def list_pairs(ids: Sequence[str], matrix_MxM: np.ndarray, name: str) -> Rows:
    """List a matrix as rows: symmetric measures once with a < b, KL both ways."""
    names = np.asarray(ids, object)
    apart = ~np.eye(len(ids), dtype=bool)
    a, b = np.nonzero(apart if name.startswith("kl_") else names[:, None] < names[None, :])
    return {"member_a": names[a], "member_b": names[b], "value": matrix_MxM[a, b]}


def _compare_sequences(at: AtPairs) -> dict[str, np.ndarray]:
    """Compare along strings of the truth: E_x Σ_t D(a(·|x_≤t), b(·|x_≤t)) for x from the truth."""
    language, vocabulary = at.language, at.language.vocabulary
    tokens_NxT, log_w_N = draw_strings(language, max(1, POSITIONS // (language.max_length + 2)))
    n = len(tokens_NxT)
    weights_N = np.full(n, 1 / n) if log_w_N is None else np.exp(log_w_N)
    open_NxT = ~(np.cumsum(tokens_NxT == vocabulary.eos, 1) > 0)
    open_NxT &= tokens_NxT != vocabulary.pad
    weights_K = np.broadcast_to(weights_N[:, None], tokens_NxT.shape)[open_NxT]
    laws_MxKxV = at.ask(laws_along, tokens_NxT)[:, open_NxT]
    return _named("seq", measure_divergences(laws_MxKxV, weights_K))


def _compare_behaviour(at: AtPairs, split: str) -> dict[str, np.ndarray]:
    rates_MxR = pivot_rows(at.ids, where(at.table("rules"), split=split), "rate")
    churn = measure_churn(label_completions(at.ids, at.table("completions"), split))
    return {"churn": churn, "profile": measure_profile(rates_MxR)}


def _named(laws: str, found: Divergences) -> dict[str, np.ndarray]:
    return {f"{name}_{laws}": matrix for name, matrix in found._asdict().items()}
