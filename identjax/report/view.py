"""One language of one sweep: everything that the page says of it."""

import dataclasses
import inspect

from identjax.query import reported, settled
from identjax.report import divergence, headline
from identjax.report.blocks import kinds, samples
from identjax.report.blocks import rules as rates
from identjax.report.blocks import variance as explain
from identjax.report.figures import curve, dynamics, heatmap, scatter, shares, training
from identjax.report.gather import Source
from identjax.report.marks import find_language
from identjax.report.style import Drawing, slug
from identjax.report.table import Row, Table
from identjax.studies.fine_tuning import figures as tuning_figures
from identjax.studies.fine_tuning import show as tuning
from identjax.studies.in_context import figures as in_context_figures
from identjax.studies.in_context import show as asked


@dataclasses.dataclass(frozen=True)
class Section:
    """Figures, tables and samples; `rung` is where members are compared."""

    source: Source
    language: str
    finding: headline.Finding
    scatter: Drawing | None
    curves: tuple[Drawing, ...]
    curve: divergence.Curve
    heatmap: Drawing | None
    kinds: kinds.Kinds | None
    shares: tuple[Row, ...]
    variance: Drawing | None
    rules: Table
    other_rules: Table
    sets: Table
    pairs: tuple[samples.Pair, ...]
    training: Drawing | None
    dynamics: tuple[Drawing, ...]
    tuning: tuning.Tuning | None
    tuned: tuple[Drawing, ...]
    in_context: asked.InContext | None
    in_context_drawings: tuple[Drawing, ...]
    swapped: Drawing | None

    @property
    def anchor(self) -> str:
        """The name of the place on the page."""
        return slug(*self.source.prefix, self.language)

    @property
    def sentence(self) -> str:
        """The headline of the language."""
        return headline.say(self.finding)

    @property
    def description(self) -> str:
        """What the language is, in its own words; nothing where it is unknown here."""
        language = find_language(self.source, self.language)
        if language is None:
            return ""
        first = inspect.cleandoc(type(language.family).__doc__ or "").split("\n\n")[0]
        return " ".join(first.split())

    @property
    def index(self) -> str:
        """The identifiability index in words."""
        return divergence.say_index(self.curve.index) if self.curve.index else ""

    @property
    def kinds_table(self) -> Table | None:
        """The kinds of behaviour, where there are several."""
        return kinds.tabulate(self.kinds.rows) if self.kinds else None

    @property
    def shares_table(self) -> Table:
        """The sources of variance."""
        return explain.tabulate(list(self.shares))

    @property
    def tuning_table(self) -> Table | None:
        """What became of changed starts, where there are some."""
        return tuning.tabulate(self.tuning.rows) if self.tuning else None

    @property
    def tuning_sentences(self) -> list[str]:
        """The same in words."""
        return tuning.say(self.tuning) if self.tuning else []

    @property
    def drawings(self) -> list[Drawing]:
        """Every figure of the section."""
        before = (self.scatter, *self.curves, self.heatmap, self.variance)
        after = (*self.dynamics, *self.tuned, *self.in_context_drawings, self.swapped)
        some = (*before, self.training, *after)
        return [drawing for drawing in some if drawing is not None]


def make_section(source: Source, language: str, rules: Table, sets: Table) -> Section:
    """Draw and tabulate one language; the tables hold the rows of all of them."""
    finding = headline.find(source, language)
    rung, rule = finding.rung or "final", finding.rule
    own = [row for row in rules.rows if _is_of(row, source, language)]
    here = [row for row in own if row["rung"] == rung and row["split"] != "bos"]
    followed = divergence.measure_curve(source, language, finding.rung)
    curves = [curve.draw(source, language, followed.rows, m) for m in curve.SHOWN]
    found = kinds.find_kinds(source, language, rung, rule)
    changed = tuning.find_tuning(source, language)
    shots = asked.find_in_context(source, language, rung)
    if shots:
        finding = dataclasses.replace(finding, in_context=shots.sentence)
    explained = explain.explain(source, language, rung, rule)
    return Section(
        source=source,
        language=language,
        finding=finding,
        scatter=scatter.draw(source, language, finding.rung, settled(reported(source.rules))),
        curves=tuple(drawing for drawing in curves if drawing is not None),
        curve=followed,
        heatmap=heatmap.draw(source, language, rung, found) if found else None,
        kinds=found,
        shares=tuple(explained),
        variance=shares.draw(source, language, explained),
        rules=rates.show(rules, here, source.run.sweep.get("published", ())),
        other_rules=rates.show(rules, [row for row in own if row not in here]),
        sets=sets.keep([r for r in sets.rows if _is_of(r, source, language) and r["rung"] == rung]),
        pairs=tuple(samples.choose(source, language, finding.rung)),
        training=training.draw(source, language, finding.rung),
        dynamics=tuple(dynamics.draw(source, language)),
        tuning=changed,
        tuned=tuple(tuning_figures.draw(source, language, changed)) if changed else (),
        in_context=shots,
        in_context_drawings=tuple(in_context_figures.draw(source, language, shots))
        if shots
        else (),
        swapped=in_context_figures.draw_swaps(source, language, shots) if shots else None,
    )


def _is_of(row: Row, source: Source, language: str) -> bool:
    return bool((row["sweep"], row["language"]) == (source.name, language))
