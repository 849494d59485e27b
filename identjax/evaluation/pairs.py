"""Rows about members as arrays with a member axis. Axes: M member, N prompt."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from identjax.query import where


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
