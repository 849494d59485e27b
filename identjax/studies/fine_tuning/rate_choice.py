"""The learning rate at which changed starts are compared, and the comparison.

Rows are members: their start, what was changed in it, and their losses.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from identjax.report.table import Row

# By what share a permutation may move a loss where more than rounding is to be compared.
STEADY = 1e-3


def _origin(row: Row) -> tuple[object, ...]:
    """Name what a change's members share with the unchanged one to which they are compared."""
    return row["optimizer"], row["learning_rate"], row["role"], row["start_digest"]


def is_plain(row: Row) -> bool:
    """Tell whether a start is as it was."""
    return row["alpha"] == 1 and row["change"] in ("none", "rescale")


def find_steady(rows: Sequence[Row]) -> dict[tuple[str, float], bool]:
    """Tell of each optimizer's rates whether permutations leave the loss as it is at every check.

    Where they do not, training makes much of rounding, and what else it makes of a changed start
    can't be told from that.
    """
    plain = {_origin(row): row["losses"] for row in rows if is_plain(row)}
    steady: dict[tuple[str, float], bool] = {}
    for row in rows:
        at = row["optimizer"], row["learning_rate"]
        own = plain.get(_origin(row), {}) if row["change"] == "permute" else {}
        holds = all(
            abs(row["losses"].get(step, math.inf) / loss - 1) <= STEADY
            for step, loss in own.items()
        )
        steady[at] = steady.get(at, True) and holds
    return steady


def choose_rates(rows: Sequence[Row], steady: Mapping[tuple[str, float], bool]) -> dict[str, float]:
    """Choose each optimizer's rate with the least mean loss over unchanged starts.

    Of the steady ones, where an optimizer has some.
    """
    losses: dict[tuple[str, float], list[float]] = {}
    for row in filter(is_plain, rows):
        losses.setdefault((row["optimizer"], row["learning_rate"]), []).append(row["loss"])
    have_steady = {optimizer for (optimizer, _), holds in steady.items() if holds}
    best: dict[str, tuple[float, float]] = {}
    for (optimizer, rate), values in sorted(losses.items()):
        mean = float(np.mean(values))
        fits = steady[optimizer, rate] or optimizer not in have_steady
        if fits and not math.isnan(mean) and mean < best.get(optimizer, (math.inf, 0.0))[0]:
            best[optimizer] = mean, rate
    return {optimizer: rate for optimizer, (_, rate) in best.items()}


def compare(rows: Sequence[Row]) -> None:
    """Give each member its loss over that of the same start unchanged, trained alike."""
    plain = {_origin(row): row["loss"] for row in rows if is_plain(row)}
    for row in rows:
        own = plain.get(_origin(row), math.nan)
        row["ratio"] = row["loss"] / own if math.isfinite(own) else math.nan
