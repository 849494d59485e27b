"""Machine states as rows of whole numbers: telling them apart, quickly.

Axes: N state, R register.
"""

from collections.abc import Hashable, Iterable

import numpy as np

MOST_STATES = 4_000_000


def unique_rows(rows_NxR: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the distinct rows, and which of them each row is."""
    low, high = rows_NxR.min(0), rows_NxR.max(0)
    spans = [int(span) for span in high - low + 1]
    if np.prod([float(span) for span in spans]) > 2.0**62:
        distinct, inverse = np.unique(rows_NxR, axis=0, return_inverse=True)
        return distinct, inverse.ravel()
    code = np.zeros(len(rows_NxR), np.int64)
    for column, span in enumerate(spans):
        code = code * span + (rows_NxR[:, column] - low[column])
    _, first, inverse = np.unique(code, return_index=True, return_inverse=True)
    return rows_NxR[first], inverse.ravel()


def key_rows(rows_NxR: np.ndarray) -> Iterable[Hashable]:
    """Give a key for each row, equal for equal rows only."""
    if rows_NxR.shape[1] <= 4 and np.abs(rows_NxR).max(initial=0) < 2**15:
        short = np.zeros((len(rows_NxR), 4), np.int16)
        short[:, : rows_NxR.shape[1]] = rows_NxR
        keys: list[Hashable] = short.view(np.int64)[:, 0].tolist()
        return keys
    wide = np.ascontiguousarray(rows_NxR, np.int32)
    return [row.tobytes() for row in wide]
