"""Members that start as one function with several sets of parameters, and what becomes of them."""

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from identjax.query import floats, main_rule, split_by, where
from identjax.report.format import NOTHING, count, nats, share
from identjax.report.gather import Source
from identjax.report.marks import find_language
from identjax.report.table import Column, Row, Table, number, text, whole
from identjax.studies.fine_tuning.rate_choice import choose_rates, compare, find_steady

_CHANGE = ("sweep", "language", "optimizer", "learning_rate", "change", "alpha")
_ENDS = ("members", "diverged", "step", "loss", "kl_nats")
_RATIO = ("ratio", "ratio_low", "ratio_high")
_RULE = ("rule", "rate_id", "rate_ood", "start_kl_nats", "start_logits")
FIELDS = (*_CHANGE, "starts", *_ENDS, *_RATIO, *_RULE)
RATE_FIELDS = (*_CHANGE, "role", *_ENDS, *_RATIO, "steady", "chosen")
CURVE_FIELDS = (*_CHANGE, "step", "members", "kl_nats")


@dataclasses.dataclass(frozen=True)
class Tuning:
    """What training made of changed starts: a row for each change at the chosen rate, one for
    each rate tried, the mean curves at the chosen rate, and each member at it.
    """

    rows: tuple[Row, ...]
    rates: tuple[Row, ...]
    curves: tuple[Row, ...]
    members: tuple[Row, ...]
    selected_on: int

    @property
    def optimizers(self) -> list[str]:
        """Every optimizer, in alphabetical order."""
        return sorted({row["optimizer"] for row in self.rows})


def find_tuning(source: Source, language: str) -> Tuning | None:
    """Compare members of one language whose starts were changed; None where none were."""
    needed = {"budget", "start_digest", "change", "alpha", "change_seed", "learning_rate"}
    if not needed <= set(source.members.column_names):
        return None
    members = [
        row
        for row in where(source.members, language=language).to_pylist()
        if row["start_digest"] and row["status"] not in ("pending", "training")
    ]
    if len({(row["change"], row["alpha"]) for row in members}) < 2:
        return None
    found = _measure(source, language, members)
    compare(found)
    select = [row for row in found if row["role"] == "select"]
    report = [row for row in found if row["role"] == "report"]
    steady = find_steady(select or report)
    chosen = choose_rates(select or report, steady)
    about = {"sweep": source.name, "language": language}
    shown = [r for r in report if r["learning_rate"] == chosen.get(r["optimizer"])]
    if not shown:
        return None
    return Tuning(
        tuple(about | row for row in _summarise(shown)),
        tuple(about | row for row in _tabulate_rates(found, steady, chosen)),
        tuple(about | row for row in _average_curves(source, shown)),
        tuple(shown),
        len({row["start_digest"] for row in select}),
    )


def _measure(source: Source, language: str, members: Sequence[Row]) -> list[Row]:
    """Give each member its loss after the steps that all of its optimizer may take, and its start.

    The loss is the population's, KL + entropy. A member that diverged has infinite loss.
    """
    ids = [row["member_id"] for row in members]
    curves = where(source.curves, member_id=ids)
    columns = (curves[name].to_pylist() for name in ("member_id", "metric", "step", "value"))
    values: dict[tuple[str, str], dict[int, float]] = {}
    for member, metric, step, value in zip(*columns, strict=True):
        values.setdefault((member, metric), {})[step] = value
    last: dict[str, int] = {}
    for row in members:
        last[row["optimizer"]] = min(row["budget"], last.get(row["optimizer"], row["budget"]))
    truth = find_language(source, language)
    entropy = truth.entropy if truth else 0.0
    rules = where(source.rules, member_id=ids, rung="final")
    rule = main_rule(rules)
    judged = where(rules, rule=rule)
    columns = (judged[name].to_pylist() for name in ("member_id", "split", "rate"))
    rates = {(member, split): rate for member, split, rate in zip(*columns, strict=True)}
    found = []
    for row in members:
        own, step = row["member_id"], last[row["optimizer"]]
        broke = row["status"] in ("diverged", "failed")
        curve = values.get((own, "kl_nats"), {})
        kl = math.inf if broke else curve.get(step, math.nan)
        more: Row = {
            name: values.get((own, name), {}).get(0) for name in ("start_kl_nats", "start_logits")
        }
        more |= {"kl_nats": kl, "loss": kl + entropy, "step": step, "broke": broke, "rule": rule}
        more["losses"] = {at: kl + entropy for at, kl in curve.items()}
        more |= {f"rate_{split}": rates.get((own, split)) for split in ("id", "ood")}
        found.append(row | more)
    return found


def _by_change(rows: Sequence[Row], *names: str) -> Iterator[tuple[Row, list[Row]]]:
    keys = (*names, "change", "alpha")
    groups: dict[tuple[object, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row[key] for key in keys), []).append(row)
    order = {"none": 0, "rescale": 1, "all": 3}
    place = keys.index("change")
    for key in sorted(groups, key=lambda k: (*k[:place], order.get(str(k[place]), 2), *k[place:])):
        yield dict(zip(keys, key, strict=True)), groups[key]


def _summarise(rows: Sequence[Row]) -> Iterator[Row]:
    for about, own in _by_change(rows, "optimizer", "learning_rate"):
        yield (
            about
            | _describe_end(own)
            | {
                "starts": len({row["start_digest"] for row in own}),
                "rule": own[0]["rule"],
                "rate_id": _mean(own, "rate_id"),
                "rate_ood": _mean(own, "rate_ood"),
                "start_kl_nats": _most(own, "start_kl_nats"),
                "start_logits": _most(own, "start_logits"),
            }
        )


def _describe_end(rows: Sequence[Row]) -> Row:
    """Say where some members are after their steps, and that over the unchanged ones' losses."""
    ratios = [row["ratio"] for row in rows if math.isfinite(row["ratio"])]
    return {
        "members": len(rows),
        "diverged": sum(row["broke"] for row in rows),
        "step": rows[0]["step"],
        "loss": _mean(rows, "loss"),
        "kl_nats": _mean(rows, "kl_nats"),
        "ratio": float(np.exp(np.mean(np.log(ratios)))) if ratios else None,
        "ratio_low": min(ratios, default=None),
        "ratio_high": max(ratios, default=None),
    }


def _mean(rows: Sequence[Row], name: str) -> float | None:
    """Average over members that did not diverge."""
    values = [row[name] for row in rows if not row["broke"] and row[name] is not None]
    return float(np.mean(values)) if values else None


def _most(rows: Sequence[Row], name: str) -> float | None:
    return max((abs(row[name]) for row in rows if row[name] is not None), default=None)


def _tabulate_rates(
    rows: Sequence[Row], steady: Mapping[tuple[str, float], bool], chosen: Mapping[str, float]
) -> Iterator[Row]:
    for about, own in _by_change(rows, "optimizer", "learning_rate", "role"):
        optimizer, rate = about["optimizer"], about["learning_rate"]
        yield (
            about
            | _describe_end(own)
            | {
                "steady": steady.get((optimizer, rate)),
                "chosen": rate == chosen.get(optimizer),
            }
        )


def _average_curves(source: Source, rows: Sequence[Row]) -> Iterator[Row]:
    """Average the KL to the truth over the members of each change that have not diverged."""
    for about, own in _by_change(rows, "optimizer", "learning_rate"):
        ids = [row["member_id"] for row in own if not row["broke"]]
        curves = where(source.curves, member_id=ids, metric="kl_nats")
        for (step,), part in sorted(split_by(curves, "step"), key=lambda item: item[0]):
            values = floats(part, "value")
            yield about | {"step": step, "members": len(values), "kl_nats": float(values.mean())}


def tabulate(rows: Sequence[Row]) -> Table:
    """Lay the changes under each other."""
    caption = (
        "Loss: of the population, in nats per sequence, KL to the truth and entropy, after the "
        "same steps; mean over members that did not diverge. Over unchanged: to the loss from "
        "the same start with its parameters as they were, geometric mean, with the least and the "
        "largest of members. Rule: its rate in and out of distribution. Start: how far the "
        "changed start is from the unchanged one, the largest KL in nats and difference of "
        "logits, on strings of the language and on strings of uniform symbols. The learning rate "
        "is the best one of unchanged starts of other seeds, of those at which permutations there "
        "move the loss at no check by more than a thousandth, if there are any."
    )
    columns = (
        text("change", "change"),
        number("α", "alpha", _short),
        whole("members", "members"),
        whole("diverged", "diverged"),
        number("KL to the truth", "kl_nats", _figures),
        number("loss", "loss", _figures),
        Column("loss over unchanged", _say_ratio),
        Column("rule in", lambda row: share(row["rate_id"])),
        Column("out", lambda row: share(row["rate_ood"])),
        number("start: KL", "start_kl_nats", _tiny),
        number("logits", "start_logits", _tiny),
    )

    def head(row: Row) -> str:
        rate, starts = f"learning rate {row['learning_rate']:g}", count(row["starts"], "start")
        return f"{row['optimizer']}, {rate}, {starts}"

    return Table(
        "fine_tuning",
        "One function, several parameters",
        caption,
        FIELDS,
        columns,
        tuple(rows),
        head,
    )


def tabulate_rates(rows: Sequence[Row]) -> Table:
    """Lay every learning rate that was tried under each other, for the CSV."""
    return Table("fine_tuning_rates", "Learning rates", "", RATE_FIELDS, (), tuple(rows))


def tabulate_curves(rows: Sequence[Row]) -> Table:
    """Lay the curves under each other, for the CSV."""
    return Table("fine_tuning_curves", "Curves", "", CURVE_FIELDS, (), tuple(rows))


def say(tuning: Tuning) -> list[str]:
    """Say what was found, a sentence for each optimizer."""
    return [_say(tuning, optimizer) for optimizer in tuning.optimizers]


def _say(tuning: Tuning, optimizer: str) -> str:
    own = [row for row in tuning.members if row["optimizer"] == optimizer]
    starts = count(len({row["start_digest"] for row in own}), "start")
    whose = f"on {count(tuning.selected_on, 'other start')}" if tuning.selected_on else "here"
    rate, after = f"learning rate {own[0]['learning_rate']:g}", count(own[0]["step"], "step")
    lines = (
        f"{optimizer}, {starts}, at {rate} (the best at α = 1 {whose}"
        f"{_say_steady(tuning, optimizer)}): the loss after {after} is"
    )
    ratios = [
        (row["ratio"], f"{_figures(row['ratio'])} ({row['change']} by {row['alpha']:g})")
        for row in tuning.rows
        if row["optimizer"] == optimizer and row["alpha"] != 1 and row["ratio"] is not None
    ]
    if ratios:
        lines += f" {min(ratios)[1]} to {max(ratios)[1]} times the unchanged, as geometric means"
    else:
        lines += " not to be had at any other α"
    moved = [abs(row["ratio"] - 1) for row in own if row["change"] == "permute"]
    if moved := list(filter(math.isfinite, moved)):
        lines += f"; permutations change it by a share of at most {_tiny(max(moved))}"
    broke = sum(row["broke"] for row in own)
    return f"{lines}; {broke:,} of {count(len(own), 'member')} diverged."


def _say_steady(tuning: Tuning, optimizer: str) -> str:
    steady = {r["learning_rate"]: r["steady"] for r in tuning.rates if r["optimizer"] == optimizer}
    if all(steady.values()):
        return ""
    if not any(steady.values()):
        return ", though permutations move the loss there at every rate"
    rates = f"{sum(steady.values())} of {count(len(steady), 'rate')}"
    return f", of the {rates} at which permutations do not move the loss there"


def _say_ratio(row: Row) -> str:
    if row["ratio"] is None:
        return NOTHING
    if abs(row["ratio_low"] - 1) < 1e-3 and abs(row["ratio_high"] - 1) < 1e-3:
        most = max(abs(row["ratio_low"] - 1), abs(row["ratio_high"] - 1))
        return "1" if most == 0 else f"1 ± {_tiny(most)}"
    low, high = _figures(row["ratio_low"]), _figures(row["ratio_high"])
    return f"{_figures(row['ratio'])} [{low}, {high}]"


def _short(value: float | None) -> str:
    return NOTHING if value is None else f"{value:g}"


def _figures(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.3g}"


def _tiny(value: float | None) -> str:
    if value is None or value == 0 or abs(value) >= 0.01:
        return nats(value)
    return f"{value:.1e}"
