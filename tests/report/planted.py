"""Results folders with planted numbers, written as a sweep and its evaluation would."""

import itertools
import json
import pathlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pyarrow as pa

import identjax.evaluation.measures  # noqa: F401 (registers tables)
from identjax.evaluation.evaluate import lay_out
from identjax.evaluation.measure import MEASURES, AtSweep, schemas
from identjax.evaluation.results import Truth
from identjax.query import where
from identjax.store import Store
from identjax.sweep.folder.ledger import CURVES, Standing
from identjax.sweep.folder.load import Run
from identjax.sweep.folder.members_table import member_row
from identjax.training.member import resolve

Row = dict[str, Any]
RUNGS = ("0.1", "0.01")
KLS = {"0.1": 10.0, "0.01": 1.0, "final": 0.5}
TRUTH = {"max_length": 32, "language_options": "{}"}
LIKE = member_row(resolve({"architecture": "lstm"}), Standing("done", 500, ""))
SWEEP: Row = {
    "command": "python -m launch.sweep --config=configs/planted.py --workdir=planted",
    "config": {"language": "L3", "model": {"width": 32}, "rungs": [0.1, 0.01]},
    "settings": {"rungs": [0.1, 0.01]},
    "versions": {"jax": "0.10.2", "python": "3.11"},
    "device": {"platform": "cpu", "kind": "cpu", "count": 2},
}


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
    cells = itertools.product(languages, architectures, optimizers, range(seeds))
    members = [make_member(*cell, status) for cell in cells]
    store = Store(workdir)
    store.write_sweep(SWEEP | {"groups": {m["group"]: {"members": seeds} for m in members}})
    store.write_members(pa.Table.from_pylist(members))
    tables = {
        "likelihood": likelihood_rows(members),
        "rules": rule_rows(members, seeds, ood, shift, steps),
        "completions": completion_rows(members if ood else ()),
        "baselines": baseline_rows(languages),
        "sets": set_rows(languages),
        "dynamics": dynamics_rows(members, steps),
        "pairwise": pair_rows(members if pairwise else ()),
    }
    for name, rows in tables.items():
        store.write_eval(name, pa.Table.from_pylist(list(rows), schemas()[name]))
    for group in sorted({m["group"] for m in members}):
        rows = curve_rows([m for m in members if m["group"] == group])
        store.write_part("curves", group, 0, 1, pa.Table.from_pylist(list(rows), CURVES))
    event = {"event": "group_done", "seconds": 2.5, "member_steps": 1000}
    (store.workdir / "events.jsonl").write_text(json.dumps(event) + "\n")
    return store


def conclude(store: Store) -> None:
    """Write what measures conclude from the tables of a folder, language by language."""
    found = store.read_members()
    assert found is not None
    members = found.to_pylist()
    made: dict[str, list[pa.Table]] = {}
    for language in sorted({m["language"] for m in members}):
        own = [m for m in members if m["language"] == language]
        ids = tuple(m["member_id"] for m in own)
        truth = Truth(language, TRUTH["max_length"], TRUTH["language_options"], ids, ("mle",))

        def rows_of(name: str, ids: Sequence[str] = ids) -> pa.Table:
            table = store.read_eval(name)
            assert table is not None
            return where(table, **{"member_a" if name == "pairwise" else "member_id": ids})

        at = AtSweep(truth, {}, Run(store.workdir), own, rows_of)
        for one in (MEASURES["curve"], MEASURES["growth"]):
            for name, rows in one.function(at).items():
                made.setdefault(name, []).append(lay_out(one, name, rows, truth.names))
    for name, tables in made.items():
        store.write_eval(name, pa.concat_tables(tables))


def make_member(language: str, architecture: str, optimizer: str, seed: int, status: str) -> Row:
    return LIKE | {
        "member_id": f"{language}-{architecture}-{optimizer}-{seed:02d}",
        "group": f"g{sum(f'{language}{architecture}{optimizer}'.encode())}",
        "language": language,
        "architecture": architecture,
        "optimizer": optimizer,
        "init_seed": seed,
        "data_seed": seed,
        "status": status,
    }


def likelihood_rows(members: Iterable[Row]) -> Iterator[Row]:
    for member in members:
        for step, (rung, scale) in enumerate(KLS.items(), start=1):
            kl = scale * (0.004 + member["init_seed"] / 1000)
            about = {"member_id": member["member_id"], "rung": rung, "step": 100 * step}
            yield about | {"kl_nats": kl, "kl_stderr": 0.0}


def rule_rows(
    members: Iterable[Row], seeds: int, ood: bool, shift: float, steps: Sequence[int]
) -> Iterator[Row]:
    for member in members:
        rate = (member["init_seed"] + 1) / (seeds + 1)
        for rung in KLS:
            yield make_rule_row(member, rung, "id", "R1", 1.0, 5)
            yield make_rule_row(member, rung, "id", "R2", 1.0, 5)
            if ood:
                yield make_rule_row(member, rung, "ood", "R1", rate + shift, 200)
                yield make_rule_row(member, rung, "ood", "R2c", 1.0, 251)
                yield make_rule_row(member, rung, "ood", "R2", None, 0)
        for step in steps:
            yield make_rule_row(member, f"@{step}", "ood", "R1", rate / step, 200)


def make_rule_row(
    member: Row, rung: str, split: str, rule: str, rate: float | None, prompts: int
) -> Row:
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


def completion_rows(members: Iterable[Row]) -> Iterator[Row]:
    """Every member of a cell ends at once on "ba"; on "aba" seed 0 alone adds a b."""
    for member in members:
        answers = {"ba": "", "aba": "b" if member["init_seed"] == 0 else ""}
        for prompt, answer in answers.items():
            row = {"rung": "0.01", "split": "ood", "prompt": prompt, "completion": answer}
            yield {"member_id": member["member_id"], **row, "finished": True}


def baseline_rows(languages: Iterable[str]) -> Iterator[Row]:
    known = [("chance", "ood", 0.154), ("eos_now", "ood", 0.275)]
    known += [("truth", "ood", None), ("truth", "id", 1.0)]
    for language, (baseline, split, rate) in itertools.product(languages, known):
        about = {"language": language, **TRUTH, "rule": "R1"}
        yield {**about, "baseline": baseline, "split": split, "rate": rate}


def pair_rows(members: Iterable[Row]) -> Iterator[Row]:
    """TV .5 between architectures and .2 within one off the support, .01 on it; churn likewise."""
    for a, b in itertools.combinations(members, 2):
        if a["language"] != b["language"]:
            continue
        values = {"ood": 0.2 if a["architecture"] == b["architecture"] else 0.5, "id": 0.01}
        about = {"language": a["language"], "member_a": a["member_id"], "member_b": b["member_id"]}
        measures = "tv_next", "churn", "js_next", "js_seq"
        for rung, measure, split in itertools.product(RUNGS, measures, values):
            if (measure, split) == ("js_seq", "ood"):
                continue
            row = {"rung": rung, "measure": measure, "split": split, "value": values[split]}
            yield about | row


def curve_rows(members: Iterable[Row]) -> Iterator[Row]:
    for member, (step, value) in itertools.product(members, [(100, 3.0), (200, 0.1), (300, 0.01)]):
        about = {"member_id": member["member_id"], "step": step, "metric": "kl_nats"}
        yield about | {"value": value * (1 + member["init_seed"] / 10)}


def set_rows(languages: Iterable[str]) -> Iterator[Row]:
    kinds = {"ambiguity": 0.75, "capacity": 0.123}
    about = TRUTH | {"rung": "0.01", "split": "ood", "scope": "all", "members": 5}
    for language, (measure, value) in itertools.product(languages, kinds.items()):
        yield {**about, "language": language, "measure": measure, "value": value}


def dynamics_rows(members: Iterable[Row], steps: Sequence[int]) -> Iterator[Row]:
    regions = {"R1 and R2": 0.5, "neither": 0.25, "longer": 0.25}
    for member, step, region in itertools.product(members, steps, regions):
        row = {"rung": f"@{step}", "step": step, "region": region, "mass": regions[region]}
        yield {"member_id": member["member_id"], **row, "strings": 3, "longest": 8}
