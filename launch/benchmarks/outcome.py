"""What a suite found: printed as it comes, and written as one file per suite and device."""

import json
import math
import pathlib
import re
from collections.abc import Iterable
from typing import Any

from launch.benchmarks.timing import Claim, Contest, Spread


def greet(facts: dict[str, Any]) -> None:
    """Name the machine, and warn where others use it."""
    device = facts["device"]
    print(f"{device['count']} × {device['kind']}; {device['processor']}, {device['cores']} cores")
    if device["load_before"] > 0.5:
        print(f"WARNING: the machine is busy (load {device['load_before']}): trust no figure here")


def show(contest: Contest, smoke: bool) -> None:
    """Print a contest: per case median, least and most, and the ratio to the reference."""
    print(f"\n{contest.name}")
    beside = f"   × {contest.reference}, round by round" if contest.reference else ""
    print(f"  seconds per {contest.unit}: median (min to max){beside}")
    width = max(map(len, [*contest.seconds, *contest.left_out]))
    for name, seconds in contest.seconds.items():
        plain = contest.reference in ("", name)
        beside = "" if plain else f"   × {_figures(contest.ratio(name))}"
        print(f"  {name:<{width}}  {_figures(seconds)}{beside}")
    for name, reason in contest.left_out.items():
        print(f"  {name:<{width}}  left out: {reason}")
    for name, fact in contest.facts.items():
        told = _figures(fact) if isinstance(fact, Spread) else _plain(fact)
        print(f"  {name.replace('_', ' ')}: {told}")
    for claim in contest.claims:
        print(
            f"  {claim.what}: {_figures(claim.value)}; aim {_aim(claim)}: {_verdict(claim, smoke)}"
        )


def write(
    out: pathlib.Path, suite: str, facts: dict[str, Any], found: list[Contest]
) -> pathlib.Path:
    """Write <suite>-<device kind>.json, whole or not at all."""
    kind = re.sub(r"[^a-z0-9]+", "-", facts["device"]["kind"].lower()).strip("-")
    path = out / f"{suite}-{kind}.json"
    out.mkdir(parents=True, exist_ok=True)
    contests = [as_json(contest, facts["scale"] == "smoke") for contest in found]
    text = json.dumps({"suite": suite, **facts, "contests": contests}, indent=1, allow_nan=False)
    part = path.with_suffix(".part")
    part.write_text(text + "\n")
    part.replace(path)
    return path


def as_json(contest: Contest, smoke: bool) -> dict[str, Any]:
    """Give everything that a contest holds, rounds included."""
    cases = {
        name: {
            "seconds_per_unit": seconds.as_json(),
            "ratio": contest.ratio(name).as_json() if contest.reference else None,
            **_facts(contest.case_facts.get(name, {}).items()),
        }
        for name, seconds in contest.seconds.items()
    }
    claims = [
        {"what": c.what, "aim": _aim(c), "value": c.value.as_json(), "verdict": _verdict(c, smoke)}
        for c in contest.claims
    ]
    return {
        "name": contest.name,
        "unit": contest.unit,
        "reference": contest.reference,
        "cases": cases,
        "left_out": contest.left_out,
        "facts": _facts(contest.facts.items()),
        "claims": claims,
    }


def _facts(facts: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    return {name: x.as_json() if isinstance(x, Spread) else x for name, x in facts}


def _aim(claim: Claim) -> str:
    return f"{'at most' if claim.at_most else 'at least'} {claim.aim:g}"


def _verdict(claim: Claim, smoke: bool) -> str:
    if smoke:
        return "not judged at this scale"
    return "met" if claim.met else "missed"


def _figures(spread: Spread) -> str:
    low, high = min(spread.rounds), max(spread.rounds)
    return f"{_plain(spread.median)} ({_plain(low)} to {_plain(high)})"


def _plain(value: Any) -> str:
    if not isinstance(value, float) or not math.isfinite(value):
        return str(value)
    return f"{value:.3g}"
