"""Rows about members, and about pairs of them, as arrays. Axes: M member, N prompt."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from identjax.query import Floats, floats, where


def make_matrix(pairs: pa.Table, ids: Sequence[str]) -> Floats:
    """Give the rows of one measure as a matrix [M, M]; NaN where there is no row."""
    place = {member: row for row, member in enumerate(ids)}
    matrix = np.full((len(ids), len(ids)), np.nan)
    own = where(pairs, member_a=ids, member_b=ids)
    a = [place[member] for member in own["member_a"].to_pylist()]
    b = [place[member] for member in own["member_b"].to_pylist()]
    matrix[a, b] = floats(own, "value")
    # Symmetric measures are listed once.
    return np.where(np.isnan(matrix), matrix.T, matrix)


def members_of(pairs: pa.Table) -> set[str]:
    """Give the members that some pair has."""
    return {*pairs["member_a"].to_pylist(), *pairs["member_b"].to_pylist()}


def label_completions(ids: Sequence[str], completions: pa.Table, split: str) -> np.ndarray:
    """Number the completions of a split, [M, N], so that equal ones have equal numbers."""
    own = where(completions, split=split)
    texts_MxN = pivot_rows(ids, own, "completion").astype(str)
    numbers = np.unique(texts_MxN, return_inverse=True)[1].reshape(texts_MxN.shape)
    # The same text finished and cut off are two completions.
    return np.asarray(2 * numbers + pivot_rows(ids, own, "finished").astype(np.int64))


def pivot_rows(ids: Sequence[str], table: pa.Table, column: str) -> np.ndarray:
    """Give a column as [M, …]: one line per member, in the order that each member's rows have."""
    own = where(table, member_id=ids)
    order = np.argsort(own["member_id"].to_numpy(zero_copy_only=False).astype(str), kind="stable")
    values = own[column].to_numpy(zero_copy_only=False)[order].reshape(len(ids), -1)
    rank = np.argsort(np.argsort(np.asarray(ids, str), kind="stable"))
    return np.asarray(values[rank])
