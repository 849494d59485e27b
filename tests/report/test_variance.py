"""The variance block reads what it decomposes from the tables of a language."""

import types
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from identjax.report.blocks.variance import SEEDS, explain
from identjax.statistics.variance import decompose_variance


class PlantedView(dict[str, pa.Table]):
    finding = types.SimpleNamespace(rule="R1")
    about = types.MappingProxyType({"language": "L3"})
    at = "0.01"


@pytest.fixture
def rows() -> list[dict[str, Any]]:
    shared = {"objective": "mle", "optimizer": "adamw", "role": "report", "noise_seed": 0}
    return [
        {"member_id": f"{kind}{i}{d}", "architecture": kind, "init_seed": i, "data_seed": d}
        | {"learning_rate": 0.1 if i % 2 else 0.2}
        | shared
        for kind in "xy"
        for i in range(8)
        for d in range(3)
    ]


def test_tables_give_the_same_shares_as_arrays(rows: list[dict[str, Any]]) -> None:
    random = np.random.default_rng(0)
    values = np.array([row["architecture"] == "x" for row in rows]) + random.normal(0, 0.3, 48)
    kl = np.exp(random.normal(size=48))
    at = {"member_id": [row["member_id"] for row in rows], "rung": ["0.01"] * 48}
    rules = {**at, "split": ["ood"] * 48, "rule": ["R1"] * 48, "rate": values}
    others = pa.table({**rules, "rule": ["R2"] * 48, "rate": -values})
    view = PlantedView(
        members=pa.Table.from_pylist([*rows, rows[0] | {"role": "select", "member_id": "s"}]),
        rules=pa.concat_tables([pa.table(rules), others]),
        likelihood=pa.table({**at, "kl_nats": kl}),
    )
    found = explain(view)  # type: ignore[arg-type]
    wanted = decompose_variance(values, rows, ["architecture", "learning_rate"], SEEDS, kl)
    assert [row["source"] for row in found] == [share.source for share in wanted]
    for row, share in zip(found, wanted, strict=True):
        assert (row["share"], row["low"], row["high"], row["members"]) == share.share
        assert (row["raw"], row["freedom"], row["note"]) == (share.raw, share.freedom, share.note)
    view.at = "0.1"
    assert explain(view) == []  # type: ignore[arg-type]
