"""The pairwise rows of all members of one truth at one rung."""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from identjax.evaluation.divergences import (
    Divergences,
    measure_churn,
    measure_divergences,
    measure_profile,
)
from identjax.evaluation.eval_tables import join_rows, make_rows, select_rows
from identjax.evaluation.likelihood import POSITIONS, draw_strings, laws_after, laws_along
from identjax.languages.language import Language
from identjax.predictor import Predictor
from identjax.vocabulary import Tokens

NEXT = ("kl_next", "js_next", "tv_next")
SEQUENCE = ("kl_seq", "js_seq", "tv_seq")
BEHAVIOUR = ("churn", "profile")
MEASURES: Mapping[str, tuple[str, ...]] = {
    "id": (*NEXT, *SEQUENCE, *BEHAVIOUR),
    "ood": (*NEXT, *BEHAVIOUR),
}

Stacks = Mapping[str, tuple[Sequence[str], Predictor]]


def measure_pairs(
    language: Language,
    name: str,
    rung: str,
    stacks: Stacks,
    laws: Mapping[str, np.ndarray],
    completions: pa.Table,
    rules: pa.Table,
) -> pa.Table:
    """Make the pairwise rows of a rung: every measure on every split that there are laws for.

    `stacks` are the members by group, `laws` theirs after the prompts of each split, by member
    id; `completions` and `rules` are their rows.
    """
    ids = list_members(stacks)
    rows = []
    for split, laws_MxNxV in laws.items():
        weights_N = np.full(laws_MxNxV.shape[1], 1 / laws_MxNxV.shape[1])
        matrices = {
            **_named(NEXT, measure_divergences(laws_MxNxV, weights_N)),
            **_compare_behaviour(ids, split, completions, rules),
        }
        if split == "id":
            matrices |= _compare_sequences(language, stacks, ids)
        for measure, matrix in matrices.items():
            keys = {"language": name, "rung": rung, "split": split, "measure": measure}
            rows.append(list_pairs(ids, matrix, keys))
    return join_rows("pairwise", rows)


def list_pairs(ids: Sequence[str], matrix_MxM: np.ndarray, keys: Mapping[str, str]) -> pa.Table:
    """List a matrix as rows: symmetric measures once with a < b, KL both ways."""
    names = np.asarray(ids, object)
    both_ways = keys["measure"].startswith("kl_")
    wanted = ~np.eye(len(ids), dtype=bool) if both_ways else names[:, None] < names[None, :]
    a, b = np.nonzero(wanted)
    values = {"member_a": names[a], "member_b": names[b], "value": matrix_MxM[a, b]}
    return make_rows("pairwise", {**keys, **values})


def list_members(stacks: Stacks) -> list[str]:
    """List the members of all groups, by id."""
    return sorted(member for members, _ in stacks.values() for member in members)


def gather_laws(stacks: Stacks, prompts: Mapping[str, Tokens]) -> dict[str, np.ndarray]:
    """Give log p of the next token after the prompts of each split, [M, N, V], by member id."""
    ids = list_members(stacks)
    splits = [split for split in MEASURES if split in prompts]
    together = np.concatenate([prompts[split] for split in splits])
    laws = {group: laws_after(stack, together) for group, (_, stack) in stacks.items()}
    ends = np.cumsum([len(prompts[split]) for split in splits])[:-1]
    parts = np.split(_in_order(stacks, laws, ids), ends, 1)
    return dict(zip(splits, parts, strict=True))


def _compare_sequences(
    language: Language, stacks: Stacks, ids: Sequence[str]
) -> dict[str, np.ndarray]:
    """Compare along strings of the truth: E_x Σ_t D(a(·|x_≤t), b(·|x_≤t)) for x from the truth."""
    tokens_NxT, log_w_N = draw_strings(language, max(1, POSITIONS // (language.max_length + 2)))
    weights_N = (
        np.full(len(tokens_NxT), 1 / len(tokens_NxT)) if log_w_N is None else np.exp(log_w_N)
    )
    laws = {group: laws_along(stack, tokens_NxT) for group, (_, stack) in stacks.items()}
    open_NxT = ~(np.cumsum(tokens_NxT == language.vocabulary.eos, 1) > 0)
    open_NxT &= tokens_NxT != language.vocabulary.pad
    weights_K = np.broadcast_to(weights_N[:, None], tokens_NxT.shape)[open_NxT]
    kept = {group: found[:, open_NxT] for group, found in laws.items()}
    return _named(SEQUENCE, measure_divergences(_in_order(stacks, kept, ids), weights_K))


def _compare_behaviour(
    ids: Sequence[str], split: str, completions: pa.Table, rules: pa.Table
) -> dict[str, np.ndarray]:
    rates_MxR = pivot_rows(ids, select_rows(rules, split=split), "rate")
    churn = measure_churn(label_completions(ids, completions, split))
    return {"churn": churn, "profile": measure_profile(rates_MxR)}


def label_completions(ids: Sequence[str], completions: pa.Table, split: str) -> np.ndarray:
    """Number the completions of a split, [M, N], so that equal ones have equal numbers."""
    own = select_rows(completions, split=split)
    texts_MxN = pivot_rows(ids, own, "completion").astype(str)
    numbers = np.unique(texts_MxN, return_inverse=True)[1].reshape(texts_MxN.shape)
    # The same text finished and cut off are two completions.
    return np.asarray(2 * numbers + pivot_rows(ids, own, "finished").astype(np.int64))


def pivot_rows(ids: Sequence[str], table: pa.Table, column: str) -> np.ndarray:
    """Give a column as [M, …]: one line per member, in the order that each member's rows have."""
    own = select_rows(table, member_id=ids)
    order = np.argsort(own["member_id"].to_numpy(zero_copy_only=False).astype(str), kind="stable")
    values = own[column].to_numpy(zero_copy_only=False)[order].reshape(len(ids), -1)
    rank = np.argsort(np.argsort(np.asarray(ids, str), kind="stable"))
    pivoted: np.ndarray = values[rank]
    return pivoted


def _in_order(stacks: Stacks, laws: Mapping[str, np.ndarray], ids: Sequence[str]) -> np.ndarray:
    """Put the laws of all groups together, by member id."""
    found = [member for members, _ in stacks.values() for member in members]
    together = np.concatenate([laws[group] for group in stacks])
    return together[[found.index(member) for member in ids]]


def _named(names: Sequence[str], found: Divergences) -> dict[str, np.ndarray]:
    return dict(zip(names, (found.kl, found.js, found.tv), strict=True))
