"""From the snapshots of a run to its evals/ tables: every measure, and only what is new."""

import collections
import dataclasses
import pathlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from identjax.errors import ConfigError, unknown_name
from identjax.evaluation import measures as _measures
from identjax.evaluation.cells import cell_of
from identjax.evaluation.divergences import sample_members
from identjax.evaluation.eval_tables import EvalTables
from identjax.evaluation.measure import (
    MEASURES,
    AtPairs,
    AtRung,
    AtSweep,
    AtTruth,
    Measure,
    Rows,
    schemas,
)
from identjax.evaluation.prompting import SPLITS, Decoding, PromptBook, decode_rows
from identjax.evaluation.results import Results, Stacks, Truth, find_truths
from identjax.query import keys_of, pairs_of, where
from identjax.rungs import FINAL, find_compared
from identjax.schema import TRUTH, make_table
from identjax.stacks import take_members
from identjax.training.objective import MLE
from identjax.vocabulary import Tokens

SAVE_SECONDS = 10.0
PAIR_SPLITS = ("id", "ood")
del _measures  # imported for what its files register


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a call did: members × rungs that were measured and that were compared in pairs;
    snapshots that cannot be used; members of which more is to come; what failed, in lines.
    """

    evaluated: int
    paired: int
    unusable: tuple[tuple[str, str, str], ...]
    unfinished: int
    failures: tuple[str, ...]

    def describe(self, workdir: pathlib.Path) -> list[str]:
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
        any_news = self.evaluated + self.paired
        news = f"{self.evaluated} snapshots evaluated" if any_news else "nothing new"
        news += f", {len(self.unusable)} left out" if self.unusable else ""
        state = f"lacks {len(self.failures)} of its rows" if self.failures else "is up to date"
        return [*lines, f"{workdir / 'evals'} {state}: {news}"]


def evaluate(
    run: Results,
    rungs: Sequence[str] | None = None,
    splits: Sequence[str] | None = None,
    decoding: Decoding | None = None,
    say: Callable[[str], None] = print,
    measures: Sequence[str] | None = None,
    skip: Sequence[str] = (),
    options: Mapping[str, Mapping[str, Any]] | None = None,
) -> Outcome:
    """Bring evals/ up to date with the snapshots of a run; say a line per rung that had news.

    Measures are those that run by default and those that the sweep asks for, unless they are
    named; `options` are keywords for some of them. A prompt length or a decoding other than the
    default writes what depends on it, to evals/ablations/, and so does a published set of prompts
    among the splits.
    """
    named = set(splits or ()) - set(SPLITS)
    decoding = dataclasses.replace(decoding or Decoding(), published=bool(named))
    chosen = choose_measures(run, measures, skip)
    if decoding.table_suffix:
        chosen = [one for one in chosen if one.decodes]
    evaluation = Evaluation(run, decoding, chosen, options or {})
    published = [t.language.published for t in evaluation.truths] if named else []
    known = [*SPLITS, *sorted({name for names in published for name in names})]
    wanted = SPLITS if splits is None else splits
    where_to = choose("rungs", rungs, run.rungs()), choose("splits", wanted, known)
    try:
        return evaluation.bring_up_to_date(*where_to, say)
    finally:
        evaluation.tables.save()


def choose_measures(
    run: Results, named: Sequence[str] | None, skip: Sequence[str]
) -> list[Measure]:
    """Give the measures that are named, or else those that run by default or by the config."""
    known, asked = list(MEASURES), run.sweep.get("settings", {}).get("measures", ())
    chosen, left = choose("measures", named, known), choose("skip", skip, known)
    by_config = choose("config.measures", asked, known)
    every = [MEASURES[name] for name in chosen if name not in left]
    return [one for one in every if named is not None or one.default or one.name in by_config]


class Evaluation:
    """The tables of a run as they stand, and how they are brought up to date."""

    def __init__(
        self,
        run: Results,
        decoding: Decoding,
        measures: Sequence[Measure],
        options: Mapping[str, Mapping[str, Any]],
    ) -> None:
        """Read members and snapshots; no parameters yet."""
        self.run, self.decoding, self.measures, self.options = run, decoding, measures, options
        self.snapshots = run.snapshots()
        if not self.snapshots.num_rows:
            allowed = "a sweep with at least one snapshot; run launch.sweep on it first"
            raise ConfigError("workdir", str(run.workdir), allowed)
        self.members = {row["member_id"]: row for row in run.members().to_pylist()}
        self.truths = find_truths(self.members.values())
        self.sizes = collections.Counter(row["group"] for row in self.members.values())
        self.tables = EvalTables(run.store, schemas(), decoding.table_suffix)
        self.prompts = PromptBook(decoding)
        self.failures: list[str] = []
        self.compared: dict[Truth, str] = {}

    def bring_up_to_date(
        self, rungs: Sequence[str], splits: Sequence[str], say: Callable[[str], None]
    ) -> Outcome:
        """Compute what the tables lack, truth by truth and rung by rung."""
        evaluated = paired = 0
        for truth in self.truths:
            for line in self.drop_taught(truth, splits):
                say(line)
            self.measure_truth(truth, splits)
            self.compared[truth] = self.find_compared(truth, rungs)
            for rung in rungs:
                began = time.monotonic()
                new = self.measure_members(truth, rung, splits)
                pairs = self.measure_pairs(truth, rung, splits)
                self.tables.save(SAVE_SECONDS)
                evaluated, paired = evaluated + new, paired + pairs
                if new or pairs:
                    took = f"{time.monotonic() - began:.1f} s"
                    say(f"{truth.name}, rung {rung}: {new} new members, {pairs} paired ({took})")
            self.measure_sweep(truth)
        unfinished = sum(m["status"] in ("pending", "training") for m in self.members.values())
        unusable = tuple(sorted(set(self.run.unusable)))
        return Outcome(evaluated, paired, unusable, unfinished, tuple(self.failures))

    def drop_taught(self, truth: Truth, splits: Sequence[str]) -> list[str]:
        """Drop what was judged on prompts that an objective of a newer member teaches.

        Say in lines how many prompts are judged for nobody.
        """
        if set(truth.objectives) == {MLE}:
            return []
        said, teachers = [], ", ".join(sorted(set(truth.objectives) - {MLE}))
        rows = where(self.tables["completions"], member_id=truth.members)
        asked = keys_of(rows, "split", "prompt")
        for split, tokens in self.prompts.judged(truth, splits).items():
            whole = len(self.prompts.drawn(truth, split))
            if left := whole - len(tokens):
                text = f"{left} of {whole} {split} prompts are taught by {teachers}"
                said.append(f"{truth.name}: {text}, and judged for no member")
            kept = set(decode_rows(truth.language.vocabulary, tokens))
            if not all(prompt in kept for name, prompt in asked if name == split):
                every = {table for one in self.measures for table in one.tables if one.by_split}
                for table in every:
                    if "split" in self.tables.schemas[table].names:
                        self.tables.drop(table, split=split, **self._of_truth(table, truth))
        return said

    def measure_truth(self, truth: Truth, splits: Sequence[str]) -> None:
        """Measure what needs the language alone, where that was not done yet."""
        for one in self._of("language"):
            lacking = self._lacking_splits(one, truth, splits)
            if not (lacking and one.applies(truth.language)):
                continue
            prompts = self.prompts.judged(truth, lacking) if one.by_split else {}
            if prompts or not one.by_split:
                place = dict(truth.names) | ({"split": list(prompts)} if prompts else {})
                self._keep(one, AtTruth(truth, prompts), truth.names, place, truth.name)

    def measure_members(self, truth: Truth, rung: str, splits: Sequence[str]) -> int:
        """Measure the members of a rung that the tables lack; give their number."""
        at_rung = where(self.snapshots, rung=rung, member_id=truth.members)
        steps = pairs_of(at_rung, "member_id", "step")
        work = []
        for one in self._of("snapshots"):
            lacking, prompts = self._find_lacking(one, truth, rung, set(steps), splits)
            if lacking and self._suits(one, truth, rung):
                work.append((one, lacking, prompts))
        wanted = set().union(*(lacking for _, lacking, _ in work))
        if not wanted:
            return 0
        stacks: Stacks = self.run.predictors(rung, sorted(wanted))
        for one, lacking, prompts in work:
            for group, (ids, stack) in stacks.items():
                rows = [row for row, member in enumerate(ids) if member in lacking]
                if rows:
                    own = [ids[row] for row in rows]
                    part = stack if len(rows) == len(ids) else take_members(stack, rows)
                    when = [steps[member] for member in own]
                    about = rung, own, part, when, self.sizes[group], self.decoding
                    self._keep_members(one, AtRung(truth, prompts, *about))
        return sum(len(ids) for ids, _ in stacks.values())

    def measure_pairs(self, truth: Truth, rung: str, splits: Sequence[str]) -> int:
        """Compare the members of a rung in pairs where some pair is lacking; give their number."""
        known = where(self.tables["completions"], rung=rung, member_id=truth.members)
        ids = sorted(set(known["member_id"].to_pylist()))
        have = [s for s in PAIR_SPLITS if s in splits and (s,) in keys_of(known, "split")]
        compared = 0
        for most in sorted({one.most for one in self._of("pairs")}, reverse=True):
            cells = [cell_of(self.members[member]) for member in ids]
            chosen = [ids[row] for row in sample_members(cells, ids, most)]
            group = [one for one in self._of("pairs") if one.most == most]
            lacking = {s for one in group for s in self._unpaired(one, truth, rung, have, chosen)}
            group = [one for one in group if self._suits(one, truth, rung)]
            if len(chosen) > 1 and lacking and group:
                self._compare(group, truth, rung, sorted(lacking), chosen)
                compared = max(compared, len(chosen))
        return compared

    def _compare(
        self,
        group: Sequence[Measure],
        truth: Truth,
        rung: str,
        splits: Sequence[str],
        chosen: list[str],
    ) -> None:
        stacks: Stacks = self.run.predictors(rung, chosen)
        ids = sorted(member for members, _ in stacks.values() for member in members)
        at = AtPairs(
            truth,
            self.prompts.judged(truth, splits),
            rung,
            stacks,
            self.sizes,
            [self.members[member] for member in ids],
            lambda name: where(self.tables[name], rung=rung, member_id=ids),
        )
        for one in group:
            place = {"rung": rung, "split": splits, **self._of_truth(one.first, truth)}
            names = {**truth.names, "rung": rung}
            self._keep(one, at, names, place, f"{truth.name} at rung {rung}")

    def measure_sweep(self, truth: Truth) -> None:
        """Draw conclusions from all that stands of a truth; they replace those of before."""
        for one in self._of("sweep"):
            if one.applies(truth.language):
                members = [self.members[member] for member in truth.members]

                def rows_of(name: str) -> pa.Table:
                    return where(self.tables[name], **self._of_truth(name, truth))

                at = AtSweep(truth, {}, self.run, members, rows_of)
                place = self._of_truth(one.first, truth)
                self._keep(one, at, truth.names, place, truth.name)

    def find_compared(self, truth: Truth, rungs: Sequence[str]) -> str:
        """Give the rung at which a page will compare members once these rungs are measured."""
        rows = [self.members[member] for member in truth.members]
        told = {row["member_id"] for row in rows if row["role"] == "report"} or {*truth.members}
        asked = where(self.snapshots, rung=rungs, member_id=told)
        known = where(self.tables["likelihood"], member_id=told)
        reached = {key for table in (asked, known) for key in keys_of(table, "member_id", "rung")}
        return find_compared([rung for _, rung in reached], len(told)) or FINAL

    def _suits(self, one: Measure, truth: Truth, rung: str) -> bool:
        """Tell whether a measure is made of a truth's members at a rung."""
        here = one.at == "all" or rung == self.compared[truth]
        return here and one.suits(rung) and one.applies(truth.language)

    def _of(self, needs: str) -> list[Measure]:
        return [one for one in self.measures if one.needs == needs]

    def _of_truth(self, table: str, truth: Truth) -> dict[str, Any]:
        """Tell which rows of a table are about a truth or its members."""
        columns = self.tables.schemas[table].names
        for side in ("member_id", "member_a"):
            if side in columns:
                return {side: truth.members}
        return dict(truth.names)

    def _lacking_splits(self, one: Measure, truth: Truth, splits: Sequence[str]) -> list[str]:
        """Give the splits of a truth without rows; of a measure without splits, any word."""
        columns = [*TRUTH, *(["split"] if one.by_split else [])]
        known, names = keys_of(self.tables[one.first], *columns), tuple(truth.names.values())
        if not one.by_split:
            return [] if names in known else ["all"]
        return [split for split in splits if (*names, split) not in known]

    def _find_lacking(
        self, one: Measure, truth: Truth, rung: str, asked: set[str], splits: Sequence[str]
    ) -> tuple[set[str], dict[str, Tokens]]:
        """Give the members at a rung without rows, and the prompts of what they lack."""
        here = where(self.tables[one.first], rung=rung)
        if not one.by_split:
            return asked - set(here["member_id"].to_pylist()), {}
        done = keys_of(here, "member_id", "split")
        open_splits = {s: {m for m in asked if (m, s) not in done} for s in splits}
        # A split without prompts never has rows, and is no reason to load anything.
        prompts = self.prompts.judged(truth, [s for s in splits if open_splits[s]])
        return set().union(*(open_splits[split] for split in prompts)), prompts

    def _unpaired(
        self, one: Measure, truth: Truth, rung: str, splits: Sequence[str], chosen: Sequence[str]
    ) -> list[str]:
        """Give the splits of which rows are lacking, or stand for other members than these."""
        own = where(self.tables[one.first], rung=rung, **self._of_truth(one.first, truth))
        lacking = []
        for split in splits:
            here, seen = where(own, split=split), set(chosen)
            if "member_a" in here.column_names:
                seen = {m for side in "ab" for m in here[f"member_{side}"].unique().to_pylist()}
            if not here.num_rows or seen != set(chosen):
                lacking.append(split)
        return lacking

    def _keep_members(self, one: Measure, at: AtRung) -> None:
        """Keep the rows of members; where they fail together, each is measured by itself."""
        names = {"member_id": list(at.ids), "rung": at.rung}
        place = names | ({"split": list(at.prompts)} if one.by_split else {})
        told = f"member {', '.join(at.ids)} at rung {at.rung}"
        if self._keep(one, at, names, place, told if len(at.ids) == 1 else ""):
            return
        for row, member in enumerate(at.ids) if len(at.ids) > 1 else ():
            steps, stack = [at.steps[row]], take_members(at.stack, [row])
            self._keep_members(one, dataclasses.replace(at, ids=[member], steps=steps, stack=stack))

    def _keep(
        self, one: Measure, at: AtTruth, names: Rows, place: Mapping[str, Any], told: str
    ) -> bool:
        """Measure, and put the rows in the place of others; note what fails where it is told."""
        try:
            found = dict(one.function(at, **self.options.get(one.name, {})))
            made = {name: lay_out(one, name, found.pop(name, []), names) for name in one.tables}
            if found:
                raise unknown_name("table", next(iter(found)), one.tables)
        except Exception as error:
            cause = " ".join(str(error).split()) or type(error).__name__
            self.failures += [f"measure {one.name}, {told}: {cause}"] if told else []
            return False
        for name, rows in made.items():
            if not rows.equals(where(self.tables[name], **place)):
                self.tables.replace(name, rows, **place)
        return True


def lay_out(one: Measure, table: str, found: Any, names: Rows) -> pa.Table:
    """Make the rows of a table from columns, in one part or several; names fill what they lack."""
    schema, parts = one.tables[table], found if isinstance(found, list | tuple) else [found]
    known = {name: value for name, value in names.items() if name in schema.names}
    columns = (part.to_pydict() if isinstance(part, pa.Table) else part for part in parts)
    made = [make_table(f"table {table}", schema, {**known, **own}) for own in columns]
    return pa.concat_tables([schema.empty_table(), *made]).combine_chunks()


def choose(field: str, asked: Iterable[str] | None, known: Sequence[str]) -> list[str]:
    """Give what is asked for in the order of what is known; everything where nothing is asked."""
    wanted = None if asked is None else list(asked)
    for name in wanted or ():
        if name not in known:
            raise unknown_name(field, name, known)
    return [name for name in known if wanted is None or name in wanted]
