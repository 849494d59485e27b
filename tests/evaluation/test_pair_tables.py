"""Rows of pairs as matrices."""

import numpy as np
import pyarrow as pa

from identjax.evaluation.pair_tables import make_matrix


def test_a_matrix_of_a_symmetric_measure_is_filled_from_both_sides():
    rows = {"member_a": ["a", "a"], "member_b": ["b", "c"], "value": [1.0, 2.0]}
    found = make_matrix(pa.table(rows), ["a", "b", "c"])
    assert found[0, 1] == found[1, 0] == 1
    assert found[2, 0] == 2
    assert np.isnan(found[1, 2])
