"""Results folders with planted numbers, written as a sweep and its evaluation would."""

import json
import pathlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from identjax.evaluation.eval_tables import SCHEMAS
from identjax.store import Store
from identjax.sweep.folder.ledger import Standing
from identjax.sweep.folder.members_table import member_row
from identjax.training.member import resolve

RUNGS = ("0.1", "0.01")
OPTIONS = {"chance": 0.154, "eos_now": 0.275}


def plant(
    workdir: pathlib.Path,
    languages: Sequence[str] = ("L3",),
    architectures: Sequence[str] = ("lstm", "transformer"),
    seeds: int = 6,
    status: str = "done",
    ood: bool = True,
    pairwise: bool = True,
    optimizers: Sequence[str] = ("adamw",),
    shift: float = 0.0,
    steps: Sequence[int] = (),
) -> Store:
    """Write a folder in which seed s of every cell has OOD R1 (s+1)/(seeds+1), KL .004 + s/1000.

    `shift` is added to all rates; at step snapshots the rate of R1 is that over the step.
    """
    members = [
        make_member(language, architecture, optimizer, seed, status)
        for language in languages
        for architecture in architectures
        for optimizer in optimizers
        for seed in range(seeds)
    ]
    store = Store(workdir)
    store.write_sweep(SWEEP | {"groups": {m["group"]: {"members": seeds} for m in members}})
    store.write_members(pa.Table.from_pylist(members))
    store.write_eval("likelihood", pa.Table.from_pylist(list(likelihood_rows(members))))
    rules = list(rule_rows(members, seeds, ood, shift)) + list(step_rows(members, seeds, steps))
    store.write_eval("rules", pa.Table.from_pylist(rules))
    store.write_eval("completions", completions(members, ood))
    baselines = pa.Table.from_pylist(baseline_rows(languages), SCHEMAS["baselines"])
    store.write_eval("baselines", baselines)
    store.write_eval("sets", pa.Table.from_pylist(set_rows(languages), SCHEMAS["sets"]))
    dynamics = list(dynamics_rows(members, steps))
    store.write_eval("dynamics", pa.Table.from_pylist(dynamics, SCHEMAS["dynamics"]))
    if pairwise and seeds * len(architectures) > 1:
        store.write_eval("pairwise", pa.Table.from_pylist(list(pair_rows(members))))
    for group in sorted({m["group"] for m in members}):
        store.write_part("curves", group, 0, 1, curve_table(members, group))
    with (store.workdir / "events.jsonl").open("w") as file:
        file.write(json.dumps({"event": "group_done", "seconds": 2.5, "member_steps": 1000}) + "\n")
    return store


LIKE = member_row(resolve({"architecture": "lstm"}), Standing("done", 500, ""))
SWEEP: dict[str, Any] = {
    "command": "python -m launch.sweep --config=configs/planted.py --workdir=planted",
    "config": {"language": "L3", "model": {"width": 32}, "rungs": [0.1, 0.01]},
    "settings": {"rungs": [0.1, 0.01]},
    "versions": {"jax": "0.10.2", "python": "3.11"},
    "device": {"platform": "cpu", "kind": "cpu", "count": 2},
}


def make_member(
    language: str, architecture: str, optimizer: str, seed: int, status: str
) -> dict[str, Any]:
    return LIKE | {
        "member_id": f"{language}-{architecture}-{optimizer}-{seed:02d}",
        "group": f"g{sum(f'{language}{architecture}{optimizer}'.encode())}",
        "language": language,
        "max_length": 32,
        "language_options": "{}",
        "architecture": architecture,
        "optimizer": optimizer,
        "init_seed": seed,
        "data_seed": seed,
        "noise_seed": 0,
        "role": "report",
        "status": status,
        "steps": 500,
    }


def kl_of(member: dict[str, Any], rung: str) -> float:
    scale = {"0.1": 10.0, "0.01": 1.0, "final": 0.5}[rung]
    return scale * (0.004 + member["init_seed"] / 1000)


def rate_of(member: dict[str, Any], seeds: int) -> float:
    return (member["init_seed"] + 1) / (seeds + 1)


def likelihood_rows(members: Iterable[dict[str, Any]]) -> Iterable[dict[str, Any]]:
    for member in members:
        for step, rung in enumerate((*RUNGS, "final"), start=1):
            yield {
                "member_id": member["member_id"],
                "rung": rung,
                "step": 100 * step,
                "kl_nats": kl_of(member, rung),
                "kl_stderr": 0.0,
            }


def step_rows(
    members: Iterable[dict[str, Any]], seeds: int, steps: Sequence[int]
) -> Iterable[dict[str, Any]]:
    for member in members:
        for step in steps:
            rate = rate_of(member, seeds) / step
            yield make_rule_row(member, f"@{step}", "ood", "R1", rate, 200)


def rule_rows(
    members: Iterable[dict[str, Any]], seeds: int, ood: bool, shift: float
) -> Iterable[dict[str, Any]]:
    for member in members:
        for rung in (*RUNGS, "final"):
            yield make_rule_row(member, rung, "id", "R1", 1.0, 5)
            yield make_rule_row(member, rung, "id", "R2", 1.0, 5)
            if ood:
                rate = rate_of(member, seeds) + shift
                yield make_rule_row(member, rung, "ood", "R1", rate, 200)
                yield make_rule_row(member, rung, "ood", "R2c", 1.0, 251)
                yield make_rule_row(member, rung, "ood", "R2", None, 0)


def make_rule_row(
    member: dict[str, Any], rung: str, split: str, rule: str, rate: float | None, prompts: int
) -> dict[str, Any]:
    return {
        "member_id": member["member_id"],
        "rung": rung,
        "split": split,
        "rule": rule,
        "rate": rate,
        "rate_finished": rate,
        "finished": None if rate is None else 1.0,
        "prompts": prompts,
        "unsatisfiable": 251 - prompts if split == "ood" else 0,
    }


def completions(members: Sequence[dict[str, Any]], ood: bool) -> pa.Table:
    """Every member of a cell ends at once on "ba"; on "aba" seed 0 alone adds a b."""
    rows: list[dict[str, Any]] = []
    for member in members:
        answers = {"ba": "", "aba": "b" if member["init_seed"] == 0 else ""}
        for prompt, answer in answers.items() if ood else ():
            row = {"rung": "0.01", "split": "ood", "prompt": prompt, "completion": answer}
            rows.append({"member_id": member["member_id"], **row, "finished": True})
    kinds = dict.fromkeys(("member_id", "rung", "split", "prompt", "completion"), pa.string())
    return pa.Table.from_pylist(rows, pa.schema([*kinds.items(), ("finished", pa.bool_())]))


def baseline_rows(languages: Sequence[str]) -> list[dict[str, Any]]:
    rows = []
    for language in languages:
        for baseline, rate in OPTIONS.items():
            about = {"language": language, "max_length": 32, "language_options": "{}"}
            rows.append({**about, "baseline": baseline, "split": "ood", "rule": "R1", "rate": rate})
        rows.append({**about, "baseline": "truth", "split": "ood", "rule": "R1", "rate": None})
        rows.append({**about, "baseline": "truth", "split": "id", "rule": "R1", "rate": 1.0})
    return rows


def pair_rows(members: Sequence[dict[str, Any]]) -> Iterable[dict[str, Any]]:
    """TV .5 between architectures and .2 within one off the support, .01 on it; churn likewise."""
    for i, a in enumerate(members):
        for b in members[i + 1 :]:
            if a["language"] != b["language"]:
                continue
            apart = 0.2 if a["architecture"] == b["architecture"] else 0.5
            for rung in RUNGS:
                for measure in ("tv_next", "churn"):
                    for split, value in (("ood", apart), ("id", 0.01)):
                        yield {
                            "language": a["language"],
                            "rung": rung,
                            "split": split,
                            "measure": measure,
                            "member_a": a["member_id"],
                            "member_b": b["member_id"],
                            "value": value,
                        }


def curve_table(members: Sequence[dict[str, Any]], group: str) -> pa.Table:
    rows = [
        {"member_id": m["member_id"], "step": step, "metric": "kl_nats", "value": value}
        for m in members
        if m["group"] == group
        for step, value in zip(
            (100, 200, 300), np.array([3.0, 0.1, 0.01]) * (1 + m["init_seed"] / 10), strict=True
        )
    ]
    return pa.Table.from_pylist(rows)


def set_rows(languages: Sequence[str]) -> list[dict[str, Any]]:
    kinds = {"ambiguity": 0.75, "capacity": 0.123, "underspecification": float("inf")}
    about = {"max_length": 32, "language_options": "{}", "rung": "0.01", "split": "ood"}
    return [
        {**about, "language": n, "scope": "all", "members": 5, "measure": k, "value": value}
        for n in languages
        for k, value in kinds.items()
    ]


def dynamics_rows(
    members: Iterable[dict[str, Any]], steps: Sequence[int]
) -> Iterable[dict[str, Any]]:
    for member in members:
        for step in steps:
            for region, mass in (("R1 and R2", 0.5), ("neither", 0.25), ("longer", 0.25)):
                row = {"rung": f"@{step}", "step": step, "region": region, "mass": mass}
                yield {"member_id": member["member_id"], **row, "strings": 3, "longest": 8}
