"""What was run, with what, on what, and the commands that do it again."""

import json
import shlex
from typing import Any

from identjax.report.gather import SEEDS, Source

Facts = list[tuple[str, str]]


def describe(source: Source) -> list[tuple[str, Facts]]:
    """List what sweep.json records, part by part, as names and values."""
    sweep = source.run.sweep
    known = ("config", "settings", "versions", "device", "groups")
    parts = [("run", _run(source))]
    parts += [(name, _flatten(sweep[name])) for name in known if sweep.get(name)]
    return [(name, facts) for name, facts in parts if facts]


def commands(source: Source) -> list[str]:
    """Give the commands that make the folder and the page again."""
    workdir = shlex.quote(f"--workdir={source.run.workdir}")
    made = source.run.sweep.get("command") or f"python -m launch.sweep --config=CONFIG {workdir}"
    return [str(made), *(f"python -m launch.{name} {workdir}" for name in ("evaluate", "report"))]


def _run(source: Source) -> Facts:
    members = source.tables["members"]
    steps = sum(step or 0 for step in members["steps"].to_pylist())
    facts = [("members", f"{members.num_rows:,}"), ("member-steps taken", f"{steps:,}")]
    facts += [(f"{name.replace('_', ' ')}s", _seeds(members[name].to_pylist())) for name in SEEDS]
    for field in ("batching", "batch", "max_length", "preset"):
        if field in members.column_names:
            values = sorted({str(value) for value in members[field].to_pylist()})
            facts.append((field.replace("_", " "), ", ".join(values)))
    if source.times:
        total = sum(row["seconds"] for row in source.times)
        taken = sum(row["member_steps"] for row in source.times)
        facts.append(("training time", f"{total:,.0f} s"))
        facts.append(("throughput", f"{taken / total:,.0f} member-steps/s" if total else "–"))
    return facts


def _seeds(values: list[Any]) -> str:
    seeds = sorted({int(value) for value in values if value is not None})
    if len(seeds) > 2 and seeds == list(range(seeds[0], seeds[-1] + 1)):
        return f"{seeds[0]} to {seeds[-1]}"
    return ", ".join(str(seed) for seed in seeds[:16]) + (" …" if len(seeds) > 16 else "")


def _flatten(value: Any, prefix: str = "") -> Facts:
    """Turn nested settings into names with dots and values."""
    if isinstance(value, dict) and value:
        return [
            fact
            for name in sorted(value)
            for fact in _flatten(value[name], f"{prefix}.{name}" if prefix else str(name))
        ]
    return [(prefix, value if isinstance(value, str) else json.dumps(value))]
