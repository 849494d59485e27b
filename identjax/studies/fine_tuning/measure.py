"""Members that start as one function with several sets of parameters, and what becomes of them.

They are compared after the same steps, at the learning rate that is best for starts as they were.
"""

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from identjax.errors import ConfigError
from identjax.evaluation.measure import AtSweep, Found, Rows, measure
from identjax.models.symmetries import CHANGES
from identjax.query import distinct, main_rule, where
from identjax.rungs import FINAL
from identjax.schema import TRUTH, schema_of
from identjax.sweep.folder.members_table import member_of
from identjax.sweep.plan.starts import Starts

# Where a permutation moves a loss by more than this share, training makes much of rounding.
STEADY = 1e-3

_CHANGE = {"optimizer": str, "learning_rate": float, "change": str, "alpha": float}
_LOSS = dict.fromkeys(("loss", "kl_nats", "ratio"), float)
_ENDS = {"members": int, "diverged": int, "step": int, **_LOSS}
_ENDS |= {"ratio_low": float, "ratio_high": float}
_RULE = {"rule": str, "rate_id": float, "rate_ood": float}
_START = {"start_kl_nats": float, "start_logits": float}
_UNKNOWN = dict.fromkeys(_START, math.nan)
# What stands in evals/ of each truth. `selected_on` counts the other starts that chose the rates.
COLUMNS: Mapping[str, Mapping[str, type]] = {
    "fine_tuning": {**_CHANGE, "starts": int, **_ENDS, **_RULE, **_START},
    "fine_tuning_rates": {**_CHANGE, "role": str, **_ENDS, "steady": bool, "chosen": bool},
    "fine_tuning_curves": {**_CHANGE, "step": int, "members": int, "kl_nats": float},
    "fine_tuning_members": {"member_id": str, **_CHANGE, "start_digest": str, "step": int}
    | {**_LOSS, "diverged": bool, **_START, "selected_on": int},
}
TABLES = {name: schema_of(**TRUTH, **columns) for name, columns in COLUMNS.items()}
Row = dict[str, Any]


@measure("fine_tuning", TABLES, needs="sweep")
def compare_starts(at: AtSweep) -> Found:
    """Compare members whose starts were changed; nothing where none were."""
    ended = [row for row in at.members if row["status"] not in ("pending", "training")]
    changed = sorted((r for r in ended if r["start_digest"]), key=lambda row: row["member_id"])
    if len({(row["change"], row["alpha"]) for row in changed}) < 2:
        return {}
    rows = _compare(_follow(at, changed))
    select, report = ([r for r in rows if r["role"] == role] for role in ("select", "report"))
    steady = find_steady(select or report)
    chosen = choose_rates(select or report, steady)
    shown = [row for row in report if row["learning_rate"] == chosen.get(row["optimizer"])]
    if not shown:
        return {}
    starts = _measure_starts(at, shown)
    other = {"selected_on": len({row["start_digest"] for row in select})}
    shown = [row | starts.get(row["member_id"], _UNKNOWN) | other for row in shown]
    found = {
        "fine_tuning": _summarise(shown, at.table("rules")),
        "fine_tuning_rates": _tabulate_rates(rows, steady, chosen),
        "fine_tuning_curves": _average_curves(shown),
        "fine_tuning_members": shown,
    }
    tables = ((name, list(rows)) for name, rows in found.items())
    return {name: {c: [row[c] for row in rows] for c in COLUMNS[name]} for name, rows in tables}


def _follow(at: AtSweep, rows: Sequence[Rows]) -> list[Row]:
    """Give each member its losses, and that after the steps that all of its optimizer may take.

    The loss is the population's, KL + entropy. A member that diverged has infinite loss.
    """
    curves = where(at.curves, metric="kl_nats", member_id=[row["member_id"] for row in rows])
    columns = (curves[name].to_pylist() for name in ("member_id", "step", "value"))
    kls: dict[str, dict[int, float]] = {row["member_id"]: {} for row in rows}
    for member, step, kl in zip(*columns, strict=True):
        kls[member][step] = kl
    last: dict[str, int] = {}
    for row in rows:
        last[row["optimizer"]] = min(row["budget"], last.get(row["optimizer"], row["budget"]))
    entropy, found = at.language.entropy, []
    for row in rows:
        own, step = kls[row["member_id"]], last[row["optimizer"]]
        more: Row = {"step": step, "diverged": row["status"] == "diverged", "kls": own}
        kl = math.inf if more["diverged"] else own.get(step, math.nan)
        losses = {step: kl + entropy for step, kl in own.items()}
        found.append({**row, **more, "kl_nats": kl, "loss": kl + entropy, "losses": losses})
    return found


def is_plain(row: Row) -> bool:
    """Tell whether a start is as it was."""
    return bool(row["alpha"] == 1 and not CHANGES[row["change"]].draws)


def is_control(row: Row) -> bool:
    """Tell whether a change moves parameters about and makes none larger, as permutations do."""
    change = CHANGES[row["change"]]
    return change.draws and not change.scales


def _rate_of(row: Row) -> tuple[str, float]:
    return row["optimizer"], row["learning_rate"]


def _origin(row: Row) -> tuple[object, ...]:
    """Name what a change's members share with the unchanged one to which they are compared."""
    return *_rate_of(row), row["role"], row["start_digest"]


def _compare(rows: list[Row]) -> list[Row]:
    """Give each member its loss over that of the same start unchanged, trained alike."""
    plain = {_origin(r): r["loss"] for r in rows if is_plain(r) and not r["diverged"]}
    for row in rows:
        ratio = row["loss"] / plain.get(_origin(row), math.nan)
        row["ratio"] = ratio if math.isfinite(ratio) else math.nan
    return rows


def find_steady(rows: Sequence[Row]) -> dict[tuple[str, float], bool]:
    """Tell of each optimizer's rates whether controls leave the loss as it is at every check.

    Where they do not, training makes much of rounding, and what else it makes of a changed start
    can't be told from that.
    """
    plain = {_origin(row): row["losses"] for row in rows if is_plain(row)}
    steady: dict[tuple[str, float], bool] = {}
    for row in rows:
        own = plain.get(_origin(row), {}) if is_control(row) else {}
        ratios = [row["losses"].get(step, math.inf) / loss for step, loss in own.items()]
        holds = all(abs(ratio - 1) <= STEADY for ratio in ratios)
        steady[_rate_of(row)] = steady.get(_rate_of(row), True) and holds
    return steady


def choose_rates(rows: Sequence[Row], steady: Mapping[tuple[str, float], bool]) -> dict[str, float]:
    """Choose each optimizer's rate with the least mean loss over unchanged starts.

    Of the steady ones, where an optimizer has some.
    """
    losses: dict[tuple[str, float], list[float]] = {}
    for row in filter(is_plain, rows):
        losses.setdefault(_rate_of(row), []).append(row["loss"])
    have_steady = {optimizer for (optimizer, _), holds in steady.items() if holds}
    fit = [at for at in losses if steady[at] or at[0] not in have_steady]
    means = [(float(np.mean(losses[at])), at) for at in fit]
    # The best one of each optimizer comes last, and stays.
    worst_first = sorted((pair for pair in means if math.isfinite(pair[0])), reverse=True)
    return {optimizer: rate for _, (optimizer, rate) in worst_first}


def _measure_starts(at: AtSweep, rows: Sequence[Row]) -> dict[str, Row]:
    """Give how far each start is from its source; nothing where that is not there any more."""
    stand = at.table("fine_tuning_members").to_pylist()
    known = (row for row in stand if row["start_logits"] is not None)
    found = {row["member_id"]: {name: row[name] for name in _START} for row in known}
    lacking = {r["member_id"]: member_of(r) for r in rows if r["member_id"] not in found}
    try:
        starts = Starts(at.run.sweep["config"].get("start_from") or {})
        there = {key: member for key, member in lacking.items() if starts.attach(member) == member}
    except ConfigError:
        return found
    for group in {row["group"] for row in rows if row["member_id"] in there}:
        keys = {row["member_id"] for row in rows if row["group"] == group} & set(there)
        drifts = starts.measure([there[key] for key in sorted(keys)])
        for key in keys:
            drift = drifts[there[key].member_id]
            found[key] = {"start_kl_nats": drift.kl_nats, "start_logits": drift.logits}
    return found


def place_of(row: Row) -> tuple[Any, ...]:
    """Sort key of rows: within a learning rate and a role, changes as they were registered."""
    change = list(CHANGES).index(CHANGES.canonical(row["change"]))
    return *_rate_of(row), row.get("role", ""), change, row["alpha"]


def _split(rows: Iterable[Row], *names: str) -> Iterator[tuple[Row, list[Row]]]:
    """Go through the rows of each change in order, with what they share."""
    for _, several in itertools.groupby(sorted(rows, key=place_of), place_of):
        own = list(several)
        yield {name: own[0][name] for name in (*_CHANGE, *names)}, own


def _summarise(rows: Sequence[Row], rules: pa.Table) -> Iterator[Row]:
    final = where(rules, rung=FINAL, member_id=[row["member_id"] for row in rows])
    rule = main_rule(distinct(final, "rule"))
    judged = where(final, rule=rule)
    columns = (judged[name].to_pylist() for name in ("member_id", "split", "rate"))
    rates = {(member, split): rate for member, split, rate in zip(*columns, strict=True)}
    kept = [
        row | {f"rate_{split}": rates.get((row["member_id"], split)) for split in ("id", "ood")}
        for row in rows
    ]
    for about, own in _split(kept):
        most = {name: _most(own, name) for name in _START}
        means = {name: _mean(own, name) for name in ("rate_id", "rate_ood")}
        yield about | _describe_end(own) | {"rule": rule} | means | most


def _describe_end(rows: Sequence[Row]) -> Row:
    """Say where some members are after their steps, and that over the unchanged ones' losses."""
    ratios = [row["ratio"] for row in rows if not math.isnan(row["ratio"])]
    return {
        "starts": len({row["start_digest"] for row in rows}),
        "members": len(rows),
        "diverged": sum(row["diverged"] for row in rows),
        "step": rows[0]["step"],
        "loss": _mean(rows, "loss"),
        "kl_nats": _mean(rows, "kl_nats"),
        "ratio": float(np.exp(np.mean(np.log(ratios)))) if ratios else None,
        "ratio_low": min(ratios, default=None),
        "ratio_high": max(ratios, default=None),
    }


def _mean(rows: Sequence[Row], name: str) -> float | None:
    """Average over members that did not diverge."""
    values = [row[name] for row in rows if not row["diverged"] and row[name] is not None]
    return float(np.mean(values)) if values else None


def _most(rows: Sequence[Row], name: str) -> float | None:
    return max((abs(row[name]) for row in rows if not math.isnan(row[name])), default=None)


def _tabulate_rates(
    rows: Sequence[Row], steady: Mapping[tuple[str, float], bool], chosen: Mapping[str, float]
) -> Iterator[Row]:
    for about, own in _split(rows, "role"):
        is_chosen = about["learning_rate"] == chosen.get(about["optimizer"])
        found = {"steady": steady.get(_rate_of(about)), "chosen": is_chosen}
        yield about | _describe_end(own) | found


def _average_curves(rows: Sequence[Row]) -> Iterator[Row]:
    """Average the KL to the truth over the members of each change that have not diverged."""
    for about, own in _split(rows):
        steps: dict[int, list[float]] = {}
        for step, kl in (at for row in own if not row["diverged"] for at in row["kls"].items()):
            steps.setdefault(step, []).append(kl)
        for step, kls in sorted(steps.items()):
            yield about | {"step": step, "members": len(kls), "kl_nats": float(np.mean(kls))}
