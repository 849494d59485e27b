"""From the snapshots of a run to its evals/ tables: only what is new is computed."""

import collections
import dataclasses
import pathlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import pyarrow as pa

from identjax.errors import ConfigError, unknown_name
from identjax.evaluation.behaviour import (
    SPLITS,
    Decoding,
    decode_rows,
    make_prompts,
    measure_baselines,
    measure_behaviour,
    measure_dynamics,
    measure_likelihood,
)
from identjax.evaluation.checkpoint_run import CheckpointRun
from identjax.evaluation.divergences import sample_members
from identjax.evaluation.eval_tables import EvalTables, Wanted, keys_of, select_rows
from identjax.evaluation.pairs import MEASURES, gather_laws, list_members, measure_pairs
from identjax.evaluation.sets import measure_sets
from identjax.evaluation.truths import Truth, find_truths
from identjax.studies.in_context import measure as in_context
from identjax.sweep.folder.load import Run
from identjax.training.objective import MLE, find_judged
from identjax.vocabulary import Tokens

# Members that differ in nothing but these share a cell.
NOT_CELL = {"member_id", "init_seed", "data_seed", "noise_seed", "role", "status", "steps", "cause"}
NOT_CELL |= {"start_digest", "start_member", "change_seed"}
SAVE_SECONDS = 10.0


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a call did: members × rungs that were evaluated and that were compared in pairs;
    snapshots that cannot be used; members of which more is to come.
    """

    evaluated: int
    paired: int
    unusable: tuple[tuple[str, str, str], ...]
    unfinished: int

    def describe(self, workdir: pathlib.Path, rollouts: int = 0) -> list[str]:
        """Say in lines how the folder stands after a call."""
        lines = [
            f"WARNING: snapshot of member {member} at rung {rung} is left out: {cause}"
            for member, rung, cause in self.unusable
        ]
        if self.unfinished:
            lines.append(
                f"half-finished sweep: {self.unfinished} members have not ended yet, and what "
                "there is was evaluated; run this command again when they have"
            )
        new = self.evaluated + self.paired + rollouts
        news = f"{self.evaluated} snapshots evaluated" if new else "nothing new"
        news += f", {len(self.unusable)} left out" if self.unusable else ""
        return [*lines, f"{workdir / 'evals'} is up to date: {news}"]


def evaluate(
    run: Run | CheckpointRun,
    rungs: Sequence[str] | None = None,
    splits: Sequence[str] | None = None,
    decoding: Decoding | None = None,
    say: Callable[[str], None] = print,
) -> Outcome:
    """Bring evals/ up to date with the snapshots of a run; say a line per rung that had news.

    A prompt length or a decoding other than the default writes completions and rules alone, to
    evals/ablations/, and so does a published set of prompts among the splits.
    """
    named = set(splits or ()) - set(SPLITS)
    decoding = dataclasses.replace(decoding or Decoding(), published=bool(named))
    evaluation = Evaluation(run, decoding)
    known = [*SPLITS, *(evaluation.list_published() if named else ())]
    wanted = SPLITS if splits is None else splits
    chosen = choose("rungs", rungs, run.rungs()), choose("splits", wanted, known)
    try:
        return evaluation.bring_up_to_date(*chosen, say)
    finally:
        evaluation.tables.save()


class Evaluation:
    """The tables of a run as they stand, and how they are brought up to date."""

    def __init__(self, run: Run | CheckpointRun, decoding: Decoding) -> None:
        """Read members, snapshots and tables; no parameters yet."""
        self.run, self.decoding = run, decoding
        self.snapshots = run.snapshots()
        if not self.snapshots.num_rows:
            allowed = "a sweep with at least one snapshot; run launch.sweep on it first"
            raise ConfigError("workdir", str(run.workdir), allowed)
        self.members = {row["member_id"]: row for row in run.members().to_pylist()}
        ablation = bool(decoding.table_suffix)
        extra = (
            []
            if ablation
            else ["likelihood", "pairwise", "baselines", "sets", "dynamics", *in_context.TABLES]
        )
        names = ["completions", "rules", *extra]
        self.tables = EvalTables(run.store, names, decoding.table_suffix)
        self._drawn: dict[tuple[Truth, str], Tokens] = {}
        self._judged: dict[tuple[Truth, str], Tokens] = {}

    def list_published(self) -> list[str]:
        """List the names under which the languages have further prompts."""
        truths = find_truths(self.members.values())
        return sorted({name for truth in truths for name in truth.language.family.published})

    def bring_up_to_date(
        self, rungs: Sequence[str], splits: Sequence[str], say: Callable[[str], None]
    ) -> Outcome:
        """Compute what the tables lack, truth by truth and rung by rung."""
        evaluated = paired = 0
        for truth in find_truths(self.members.values()):
            for line in self.drop_taught(truth, splits):
                say(line)
            self.add_baselines(truth, splits)
            for rung in rungs:
                began = time.monotonic()
                new = self.add_members(truth, rung, splits)
                new = max(new, self.add_in_context(truth, rung))
                pairs = self.add_pairs(truth, rung, splits)
                self.tables.save(SAVE_SECONDS)
                evaluated, paired = evaluated + new, paired + pairs
                if new or pairs:
                    took = f"{time.monotonic() - began:.1f} s"
                    say(f"{truth.name}, rung {rung}: {new} new members, {pairs} paired ({took})")
        status = [row["status"] for row in self.members.values()]
        unfinished = status.count("pending") + status.count("training")
        return Outcome(evaluated, paired, tuple(sorted(set(self.run.unusable))), unfinished)

    def drop_taught(self, truth: Truth, splits: Sequence[str]) -> list[str]:
        """Drop what was judged on prompts that an objective of a newer member teaches.

        Say in lines how many prompts are judged for nobody.
        """
        if set(truth.objectives) == {MLE}:
            return []
        said, teachers = [], ", ".join(sorted(set(truth.objectives) - {MLE}))
        rows = select_rows(self.tables["completions"], member_id=truth.members)
        judged = keys_of(rows, "split", "prompt")
        for split, tokens in self._prompts(truth, splits).items():
            whole = len(self._drawn[truth, split])
            if left := whole - len(tokens):
                text = f"{left} of {whole} {split} prompts are taught by {teachers}"
                said.append(f"{truth.name}: {text}, and judged for no member")
            kept = set(decode_rows(truth.language.vocabulary, tokens))
            if all(prompt in kept for name, prompt in judged if name == split):
                continue
            mine: dict[str, Wanted] = {"member_id": truth.members}
            ours: dict[str, Wanted] = {"member_a": truth.members}
            all_of: dict[str, Wanted] = {**truth.names}
            owners = {"completions": mine, "rules": mine, "pairwise": ours}
            for name, own in (owners | {"baselines": all_of, "sets": all_of}).items():
                if name in self.tables:
                    self.tables.drop(name, split=split, **own)
        return said

    def add_baselines(self, truth: Truth, splits: Sequence[str]) -> None:
        """Add the baselines of the splits that have none yet."""
        if "baselines" not in self.tables:
            return
        known = keys_of(self.tables["baselines"], *truth.names, "split")
        lacking = [s for s in splits if (*truth.names.values(), s) not in known]
        for split, tokens in (self._prompts(truth, lacking) if lacking else {}).items():
            rows = measure_baselines(truth.language, truth.names, {split: tokens})
            self.tables.add("baselines", rows)

    def add_members(self, truth: Truth, rung: str, splits: Sequence[str]) -> int:
        """Evaluate the members of a rung that the tables lack; give their number."""
        lacking, prompts = self._find_lacking(truth, rung, splits)
        if not lacking:
            return 0
        at_rung = select_rows(self.snapshots, rung=rung)
        steps = dict(zip(*(at_rung[c].to_pylist() for c in ("member_id", "step")), strict=True))
        stacks = self.run.predictors(rung, sorted(lacking))
        groups = collections.Counter(row["group"] for row in self.members.values())
        for group, (ids, stack) in stacks.items():
            own = (truth.language, stack, ids, rung)
            found = measure_behaviour(*own, prompts, self.decoding, groups[group])
            for name, rows in found.items():
                self.tables.replace(name, rows, rung=rung, member_id=ids, split=prompts)
            if "likelihood" in self.tables:
                when = [steps[member] for member in ids]
                rows = measure_likelihood(*own, when, groups[group])
                self.tables.replace("likelihood", rows, rung=rung, member_id=ids)
                if rung.startswith("@"):
                    rows = measure_dynamics(*own, when, groups[group])
                    self.tables.replace("dynamics", rows, rung=rung, member_id=ids)
        return sum(len(ids) for ids, _ in stacks.values())

    def add_in_context(self, truth: Truth, rung: str) -> int:
        """Ask the members of a rung in context where the language has a way; give their number."""
        if "in_context" not in self.tables or not truth.language.family.in_context:
            return 0
        in_context.ask_observers(self.tables, truth)
        at_rung = set(select_rows(self.snapshots, rung=rung)["member_id"].to_pylist())
        own = at_rung & set(truth.members)
        return in_context.ask_members(self.tables, self.run, truth, rung, own)

    def _find_lacking(
        self, truth: Truth, rung: str, splits: Sequence[str]
    ) -> tuple[set[str], dict[str, Tokens]]:
        """Give the members that lack anything at a rung, and the prompts of what they lack."""
        at_rung = set(select_rows(self.snapshots, rung=rung)["member_id"].to_pylist())
        asked = at_rung & set(truth.members)
        here = select_rows(self.tables["completions"], rung=rung)
        done = keys_of(here, "member_id", "split")
        open_splits = {s: {m for m in asked if (m, s) not in done} for s in splits}
        # A split without prompts never has rows, and is no reason to load anything.
        prompts = self._prompts(truth, [s for s in splits if open_splits[s]])
        lacking = set().union(*(open_splits[split] for split in prompts))
        if "likelihood" in self.tables:
            known = select_rows(self.tables["likelihood"], rung=rung)
            lacking |= asked - set(known["member_id"].to_pylist())
        return lacking, prompts

    def add_pairs(self, truth: Truth, rung: str, splits: Sequence[str]) -> int:
        """Compare the members of a rung in pairs where some pair is lacking; give their number."""
        if "pairwise" not in self.tables:
            return 0
        known = select_rows(self.tables["completions"], rung=rung, member_id=truth.members)
        ids = sorted(set(known["member_id"].to_pylist()))
        chosen = [ids[row] for row in sample_members([self._cell(i) for i in ids], ids)]
        stand = select_rows(self.tables["pairwise"], rung=rung, member_a=truth.members)
        have = {split for (split,) in keys_of(known, "split")} & set(splits) & set(MEASURES)
        lacking = [split for split in sorted(have) if not _is_paired(stand, split, chosen)]
        if len(chosen) < 2 or not lacking:
            return 0
        stacks = self.run.predictors(rung, chosen)
        laws = gather_laws(stacks, self._prompts(truth, lacking))
        rules = select_rows(self.tables["rules"], rung=rung, member_id=chosen)
        rows = measure_pairs(truth.language, truth.name, rung, stacks, laws, known, rules)
        self.tables.replace("pairwise", rows, rung=rung, split=lacking, member_a=truth.members)
        self._add_sets(truth, rung, list_members(stacks), laws)
        return len(chosen)

    def _add_sets(
        self, truth: Truth, rung: str, ids: Sequence[str], laws: Mapping[str, np.ndarray]
    ) -> None:
        """Measure the members of a rung as a set, all together and cell by cell."""
        shown = [self.members[m] | {"role": self.members[m].get("role", "report")} for m in ids]
        own = {
            name: select_rows(self.tables[name], rung=rung, member_id=ids)
            for name in ("likelihood", "completions", "rules")
        }
        rows = measure_sets(shown, laws, own, {**truth.names, "rung": rung})
        self.tables.replace("sets", rows, rung=rung, split=list(laws), **truth.names)

    def _prompts(self, truth: Truth, splits: Iterable[str]) -> dict[str, Tokens]:
        """Give the prompts of those splits that have any, without those that are taught.

        Drawing them and finding what is taught takes seconds: it is done once.
        """
        for split in splits:
            if (truth, split) in self._drawn:
                continue
            made = make_prompts(truth.language, [split], self.decoding)
            drawn = made.get(split, np.zeros((0, 1), np.int32))
            self._drawn[truth, split] = drawn
            judged = find_judged(truth.objectives, truth.language, split, drawn)
            self._judged[truth, split] = judged
        found = {split: self._judged[truth, split] for split in splits}
        return {split: tokens for split, tokens in found.items() if len(tokens)}

    def _cell(self, member_id: str) -> tuple[str, ...]:
        row = self.members[member_id]
        return tuple(str(row[name]) for name in sorted(row) if name not in NOT_CELL)


def _is_paired(pairs: pa.Table, split: str, ids: Sequence[str]) -> bool:
    """Tell whether every measure of a split stands for exactly these members."""
    own = select_rows(pairs, split=split)
    seen = set(own["member_a"].unique().to_pylist()) | set(own["member_b"].unique().to_pylist())
    counts = own.group_by("measure").aggregate([("value", "count")])
    rows = dict(zip(counts["measure"].to_pylist(), counts["value_count"].to_pylist(), strict=True))
    all_pairs = len(ids) * (len(ids) - 1)
    wanted = {m: all_pairs if m.startswith("kl_") else all_pairs // 2 for m in MEASURES[split]}
    return seen == set(ids) and rows == wanted


def choose(field: str, asked: Sequence[str] | None, known: Sequence[str]) -> list[str]:
    """Give what is asked for in the order of what is known; everything where nothing is asked."""
    for name in asked or ():
        if name not in known:
            raise unknown_name(field, name, known)
    return [name for name in known if asked is None or name in asked]
