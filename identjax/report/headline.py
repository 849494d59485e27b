"""What the data say, in a sentence that holds whatever they say."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from identjax.query import Floats, distinct, floats, main_rule, pairs_of, reported, where, without
from identjax.report.format import count, describe_length, nats, share, span
from identjax.report.gather import Source
from identjax.rungs import FINAL, find_compared
from identjax.statistics.intervals import SHARES, seed_interval


@dataclasses.dataclass(frozen=True, eq=False)
class Finding:
    """One language: how many members are close to the truth, and what those do elsewhere.

    `close` have a snapshot whose KL to the truth, evaluated anew, is below ε; `perfect` are those
    of them whose greedy completion of every prefix that the truth can produce is a string of the
    truth, or None where that was not judged; `rates` are theirs out of distribution, and
    `otherwise` is what a block says instead where no rule was judged there.
    """

    language: str
    rung: str | None
    members: int
    close: int
    perfect: int | None
    rule: str
    rates: Floats
    nearest: float
    otherwise: str = ""
    ends: "Ends | None" = None


@dataclasses.dataclass(frozen=True, eq=False)
class Ends:
    """How the completions behind rates end: the shares that do, and those that then keep the rule.

    `prompts` says on how many prompts, and `cap` at how many symbols the others are cut off.
    """

    finished: Floats
    kept: Floats
    prompts: str
    cap: int
    chance: float | None


def choose_rung(source: Source, language: str) -> str | None:
    """Pick the ε of a language: the smallest that most members reached, else the commonest."""
    likelihood, members = (
        where(reported(source.tables[name]), language=language)
        for name in ("likelihood", "members")
    )
    return find_compared(likelihood["rung"].to_pylist(), members.num_rows)


def find(source: Source, language: str) -> Finding:
    """Count what the headline of a language says."""
    rung = choose_rung(source, language)
    members, likelihood, rules = (
        where(reported(source.tables[name]), language=language)
        for name in ("members", "likelihood", "rules")
    )
    rule = main_rule(distinct(rules, "rule"))
    kls = floats(likelihood, "kl_nats")
    close: set[str] = set()
    if rung is not None:
        at = where(likelihood, rung=rung)
        close = set(at.filter(floats(at, "kl_nats") < float(rung))["member_id"].to_pylist())
    rows = where(rules, rung=rung or FINAL, member_id=close)
    contexts = where(source.tables["contexts"], rung=rung or FINAL, member_id=close)
    perfect = _perfect(contexts, rows, close, _broken_by_the_truth(source, language))
    ood = where(rows, split="ood", rule=rule, member_id=perfect or close)
    rates = floats(ood, "rate")
    return Finding(
        language,
        rung,
        members.num_rows,
        len(close),
        None if perfect is None else len(perfect),
        rule,
        rates[~np.isnan(rates)],
        nearest=float(np.nanmin(kls)) if len(kls) else float("nan"),
        ends=_find_ends(source, language, ood.filter(pc.is_finite(ood["rate"]))),
    )


def _perfect(
    contexts: pa.Table, rules: pa.Table, close: set[str], broken: set[str]
) -> set[str] | None:
    """Give those that are never wrong after what the truth can produce, None where none is judged.

    An evaluation that has not looked at all prefixes has the judged prompts, of one length, and
    there the rules that the truth itself keeps.
    """
    if close <= set(distinct(contexts, "member_id")):
        return _always(contexts, "kept")
    return _always(without(where(rules, split="id"), rule=broken), "rate")


def _broken_by_the_truth(source: Source, language: str) -> set[str]:
    """Give the rules that the truth's own completions break in distribution, as R2c of L1 is."""
    rows = where(source.tables["baselines"], language=language, baseline="truth", split="id")
    rates = zip(rows["rule"].to_pylist(), floats(rows, "rate"), strict=True)
    return {rule for rule, rate in rates if rate < 1}


def _always(rows: pa.Table, column: str) -> set[str] | None:
    judged = rows.filter(pc.is_finite(rows[column]))
    if not judged.num_rows:
        return None
    short = judged.filter(pc.less(judged[column], 1))
    return {*distinct(judged, "member_id")} - {*distinct(short, "member_id")}


def say(finding: Finding) -> str:
    """Put what was found for one language in a sentence."""
    members = count(finding.members, "member")
    if not finding.close:
        known = not np.isnan(finding.nearest)
        nearest = f"; the nearest is at {nats(finding.nearest)}" if known else ""
        if finding.rung is None:
            return f"None of {members} has come within any ε of the truth yet{nearest}."
        rung = f"{finding.rung} nats per sequence of the truth"
        return f"None of {members} is within {rung} when evaluated anew{nearest}."
    if not finding.perfect:
        text = _within(finding, finding.close)
        but = "" if finding.perfect is None else ", but not to perfection in distribution"
        return f"{text}{but}; {_elsewhere(finding)}."
    there = "is" if finding.perfect == 1 else "are"
    text = _within(finding, finding.perfect)
    return f"{text} and {there} perfect in distribution there; {_elsewhere(finding)}."


def _within(finding: Finding, number: int) -> str:
    verb = "comes" if number == 1 else "come"
    of = f"{number:,} of {count(finding.members, 'member')}"
    return f"{of} {verb} within {finding.rung} nats per sequence of the truth"


def _elsewhere(finding: Finding) -> str:
    rates = finding.rates
    if not len(rates):
        return finding.otherwise or "no out-of-distribution prompt was judged"
    whose = "its" if len(rates) == 1 else "their"
    ran = "is " if share(float(rates.min())) == share(float(rates.max())) else "runs from "
    told = f"out of distribution {whose} {finding.rule} rate {ran}{_tell_range(rates)}"
    return told + _say_chance(finding) + _say_ends(finding)


def _tell_range(values: Floats) -> str:
    low, high = share(float(values.min())), share(float(values.max()))
    return low if low == high else f"{low} to {high}"


def _say_chance(finding: Finding) -> str:
    """Say what chance does, and whether the mean of the rates can be told from it."""
    chance = finding.ends.chance if finding.ends else None
    if chance is None or np.isnan(chance):
        return ""
    _, low, high, _ = seed_interval(finding.rates, bounds=SHARES)
    if np.isnan(low):
        low, high = float(finding.rates.min()), float(finding.rates.max())
    if low > chance:
        return f", where chance has {share(chance)}"
    words = "on average below" if high < chance else "a mean that cannot be told from"
    return f", {words} chance ({share(chance)})"


def _say_ends(finding: Finding) -> str:
    """Say on which prompts, and how many of the completions end."""
    ends = finding.ends
    if ends is None:
        return ""
    cut, kept = 1 - ends.finished, ends.kept[~np.isnan(ends.kept)]
    if not cut.any():
        return f" ({ends.prompts}; every completion ends within {ends.cap} symbols)"
    text = f" ({ends.prompts}; {_tell_range(cut)} of the completions are cut off at {ends.cap}"
    text += " symbols"
    if len(kept):
        text += f", and of those that end {_tell_range(kept)} keep {finding.rule}"
    return f"{text})"


def _find_ends(source: Source, language: str, ood: pa.Table) -> Ends | None:
    """Say of the rates out of distribution how their completions end; None where there is none."""
    if not ood.num_rows:
        return None
    truth = source.truth(language)
    members = where(source.tables["members"], language=language)
    rule, told = ood["rule"][0].as_py(), span(ood["prompts"].to_pylist())
    beside = where(source.tables["baselines"], language=language, split="ood", rule=rule)
    return Ends(
        floats(ood, "finished"),
        floats(ood, "rate_finished"),
        f"{told} prompts{describe_length(None if truth is None else truth.prompt_length)}",
        int(members["max_length"][0].as_py()),
        pairs_of(beside, "baseline", "rate").get("chance"),
    )


def say_all(findings: list[Finding], sweeps: Sequence[str] = ()) -> str:
    """Put all in one sentence: that of the only language, or where most is left open.

    `sweeps` names the sweep of each finding, where there are several.
    """
    if len(findings) == 1:
        return say(findings[0])
    over = count(len(set(sweeps)), "sweep") if sweeps else count(len(findings), "language")
    members = sum(f.members for f in findings)
    close = sum(f.close for f in findings)
    rungs = sorted({float(f.rung) for f in findings if f.rung is not None})
    if not close:
        return f"None of {count(members, 'member')} in {over} is within an ε of the truth."
    epsilon = f"{rungs[0]:g}" if len(rungs) == 1 else f"{rungs[0]:g} to {rungs[-1]:g}"
    text = (
        f"In {over}, {close:,} of {count(members, 'member')} come within "
        f"{epsilon} nats per sequence of the truth"
    )
    judged = [f for f in findings if len(f.rates)]
    if not judged:
        told = [f"in {f.language}, {f.otherwise}" for f in findings if f.otherwise]
        return f"{text}; {(told or ['no out-of-distribution prompt was judged'])[0]}."
    widest = max(judged, key=lambda f: float(np.ptp(f.rates)))
    whose = "those that are perfect in distribution" if widest.perfect else "those"
    low, high = share(float(widest.rates.min())), share(float(widest.rates.max()))
    place = f" ({sweeps[findings.index(widest)]})" if sweeps else ""
    if low == high:
        return f"{text}; out of distribution the {widest.rule} rates of {whose} do not differ."
    return (
        f"{text}; out of distribution the {widest.rule} rate of {whose} runs from {low} to {high} "
        f"in {widest.language}{place}, where it differs most{_say_chance(widest)}"
        f"{_say_ends(widest)}."
    )


def warn(source: Source) -> list[str]:
    """Say what a reader must know first: what is unfinished, not evaluated, or broken."""
    members, warnings = pairs_of(source.tables["members"], "member_id", "status"), []
    status = list(members.values())
    left = {"not begun": status.count("pending"), "still in training": status.count("training")}
    if any(left.values()):
        told = " and ".join(f"{n:,} {words}" for words, n in left.items() if n)
        warnings.append(
            f"The sweep {source.name} is not finished: of {count(len(status), 'member')}, {told}. "
            "What stands below is what has been evaluated so far."
        )
    seen = {m for t in ("likelihood", "rules") for m in distinct(source.tables[t], "member_id")}
    ended = {member for member, how in members.items() if how not in ("training", "pending")}
    if missing := len(ended - seen):
        warnings.append(
            f"{count(missing, 'member')} of {source.name} ended without an evaluation: run "
            "launch.evaluate again."
        )
    if broke := status.count("diverged"):
        warnings.append(
            f"{count(broke, 'member')} of {source.name} diverged; they are counted in the tables "
            "below, and are not in means at the place where members stopped."
        )
    return warnings
