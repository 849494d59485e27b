"""Members that start as one function with several sets of parameters, and what becomes of them."""

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from identjax.report.gather import Source
from identjax.report.marks import find_language
from identjax.report.select import floats, main_rule, split_by, where
from identjax.report.tables import Column, Row, Table, number, text, whole
from identjax.report.words import NOTHING, count, nats, share

_CHANGE = ("sweep", "language", "optimizer", "learning_rate", "change", "alpha")
_ENDS = ("members", "diverged", "step", "loss", "kl_nats")
_RATIO = ("ratio", "ratio_low", "ratio_high")
_RULE = ("rule", "rate_id", "rate_ood", "start_kl_nats", "start_logits")
FIELDS = (*_CHANGE, "starts", *_ENDS, *_RATIO, *_RULE)
RATE_FIELDS = (*_CHANGE, "role", *_ENDS, "chosen")
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
    select = [row for row in found if row["role"] == "select"]
    report = [row for row in found if row["role"] == "report"]
    chosen = _choose_rates(select or [row for row in report if _is_plain(row)])
    about = {"sweep": source.name, "language": language}
    shown = [r for r in report if r["learning_rate"] == chosen.get(r["optimizer"])]
    if not shown:
        return None
    _compare(shown)
    return Tuning(
        tuple(about | row for row in _summarise(shown)),
        tuple(about | row for row in _tabulate_rates(found, chosen)),
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
    values = {
        (member, metric, step): value
        for member, metric, step, value in zip(
            *(curves[name].to_pylist() for name in ("member_id", "metric", "step", "value")),
            strict=True,
        )
    }
    last: dict[str, int] = {}
    for row in members:
        last[row["optimizer"]] = min(row["budget"], last.get(row["optimizer"], row["budget"]))
    truth = find_language(source, language)
    entropy = truth.entropy if truth else 0.0
    rules = where(source.rules, member_id=ids, rung="final")
    rule = main_rule(rules)
    rates = {
        (member, split): rate
        for member, split, rate in zip(
            *(where(rules, rule=rule)[name].to_pylist() for name in ("member_id", "split", "rate")),
            strict=True,
        )
    }
    found = []
    for row in members:
        own, step = row["member_id"], last[row["optimizer"]]
        broke = row["status"] in ("diverged", "failed")
        kl = math.inf if broke else values.get((own, "kl_nats", step), math.nan)
        more = {name: values.get((own, name, 0)) for name in ("start_kl_nats", "start_logits")}
        more |= {"kl_nats": kl, "loss": kl + entropy, "step": step, "broke": broke, "rule": rule}
        more |= {f"rate_{split}": rates.get((own, split)) for split in ("id", "ood")}
        found.append(row | more)
    return found


def _is_plain(row: Row) -> bool:
    return row["alpha"] == 1 and row["change"] in ("none", "rescale")


def _choose_rates(rows: Sequence[Row]) -> dict[str, float]:
    """Choose the learning rate of each optimizer with the least mean loss over starts."""
    losses: dict[tuple[str, float], list[float]] = {}
    for row in rows:
        losses.setdefault((row["optimizer"], row["learning_rate"]), []).append(row["loss"])
    best: dict[str, tuple[float, float]] = {}
    for (optimizer, rate), values in sorted(losses.items()):
        mean = float(np.mean(values))
        if not math.isnan(mean) and mean < best.get(optimizer, (math.inf, 0.0))[0]:
            best[optimizer] = mean, rate
    return {optimizer: rate for optimizer, (_, rate) in best.items()}


def _compare(rows: Sequence[Row]) -> None:
    """Give each member its loss over that of the same start unchanged, by the same optimizer."""
    plain = {(r["optimizer"], r["start_digest"]): r["loss"] for r in rows if _is_plain(r)}
    for row in rows:
        own = plain.get((row["optimizer"], row["start_digest"]), math.nan)
        row["ratio"] = row["loss"] / own if math.isfinite(own) else math.nan


def _by_change(rows: Sequence[Row], *names: str) -> Iterator[tuple[Row, list[Row]]]:
    keys = (*names, "change", "alpha")
    groups: dict[tuple[object, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row[key] for key in keys), []).append(row)
    order = {"none": 0, "rescale": 1}
    place = keys.index("change")
    for key in sorted(groups, key=lambda k: (*k[:place], order.get(str(k[place]), 2), *k[place:])):
        yield dict(zip(keys, key, strict=True)), groups[key]


def _summarise(rows: Sequence[Row]) -> Iterator[Row]:
    for about, own in _by_change(rows, "optimizer", "learning_rate"):
        ratios = [row["ratio"] for row in own if math.isfinite(row["ratio"])]
        yield about | {
            "starts": len({row["start_digest"] for row in own}),
            "members": len(own),
            "diverged": sum(row["broke"] for row in own),
            "step": own[0]["step"],
            "loss": _mean(own, "loss"),
            "kl_nats": _mean(own, "kl_nats"),
            "ratio": float(np.exp(np.mean(np.log(ratios)))) if ratios else None,
            "ratio_low": min(ratios, default=None),
            "ratio_high": max(ratios, default=None),
            "rule": own[0]["rule"],
            "rate_id": _mean(own, "rate_id"),
            "rate_ood": _mean(own, "rate_ood"),
            "start_kl_nats": _most(own, "start_kl_nats"),
            "start_logits": _most(own, "start_logits"),
        }


def _mean(rows: Sequence[Row], name: str) -> float | None:
    """Average over members that did not diverge."""
    values = [row[name] for row in rows if not row["broke"] and row[name] is not None]
    return float(np.mean(values)) if values else None


def _most(rows: Sequence[Row], name: str) -> float | None:
    return max((abs(row[name]) for row in rows if row[name] is not None), default=None)


def _tabulate_rates(rows: Sequence[Row], chosen: Mapping[str, float]) -> Iterator[Row]:
    for about, own in _by_change(rows, "optimizer", "learning_rate", "role"):
        yield about | {
            "members": len(own),
            "diverged": sum(row["broke"] for row in own),
            "step": own[0]["step"],
            "loss": _mean(own, "loss"),
            "kl_nats": _mean(own, "kl_nats"),
            "chosen": about["learning_rate"] == chosen.get(about["optimizer"]),
        }


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
        "is the best one of unchanged starts of other seeds."
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
    first = own[0]
    starts = count(len({row["start_digest"] for row in own}), "start")
    whose = f"on {count(tuning.selected_on, 'other start')}" if tuning.selected_on else "here"
    lines = (
        f"{optimizer}, {starts}, at learning rate {first['learning_rate']:g} (the best at α = 1 "
        f"{whose}): the loss after {count(first['step'], 'step')} is"
    )
    scaled = [row["ratio"] for row in own if row["alpha"] != 1 and math.isfinite(row["ratio"])]
    if scaled:
        lines += f" {_figures(min(scaled))} to {_figures(max(scaled))} times that at α = 1"
    else:
        lines += " not to be had at any other α"
    moved = [abs(row["ratio"] - 1) for row in own if row["change"] == "permute"]
    moved = [value for value in moved if math.isfinite(value)]
    if moved:
        lines += f"; permutations change it by a share of at most {_tiny(max(moved))}"
    broke = sum(row["broke"] for row in own)
    return f"{lines}; {broke:,} of {count(len(own), 'member')} diverged."


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
