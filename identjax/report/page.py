"""The page: everything put together, and written."""

import dataclasses
import importlib.resources
import os
import pathlib
from collections.abc import Sequence

import jinja2

from identjax.evaluation.cells import CHOICES
from identjax.report import cache as fresh
from identjax.report import divergence, headline, provenance
from identjax.report.blocks import comparison as compare
from identjax.report.blocks import kinds, samples, sets
from identjax.report.blocks import members as fates
from identjax.report.blocks import rules as rates
from identjax.report.blocks import variance as explain
from identjax.report.gather import Source, gather
from identjax.report.style import Drawing, styled
from identjax.report.table import Row, Table
from identjax.report.view import Section, make_section
from identjax.store import Store, StoreError
from identjax.studies.fine_tuning import show as tuning
from identjax.studies.in_context import show as in_context

Path = str | os.PathLike[str]
# Longer tables are in their CSV only.
MOST_ROWS = 300


@dataclasses.dataclass(frozen=True)
class Report:
    """What was written: the page, and the sentence at its top."""

    path: pathlib.Path
    headline: str


def write(workdirs: Path | Sequence[Path], out: Path | None = None) -> Report:
    """Draw one page from one or more results folders; nothing is trained, no model is loaded.

    Writes index.html, tables/*.csv, tables/rules.tex and figures/*.svg into `out`, by default the
    folder `report` of the workdir. The same evaluations give the same bytes, and a page that
    stands for them already is left as it is.
    """
    several = [workdirs] if isinstance(workdirs, str | os.PathLike) else list(workdirs)
    paths = [Store(path).workdir for path in several]
    drawn_from = fresh.fingerprint(paths)
    folder = pathlib.Path(out) if out is not None else _folder_of(paths)
    known = fresh.recall(folder, drawn_from)
    if known is None:
        known = _draw(gather(paths), folder)
        fresh.remember(folder, drawn_from, known)
    return Report(folder / "index.html", known)


def _draw(sources: list[Source], folder: pathlib.Path) -> str:
    rules, whole = rates.tabulate(sources), sets.tabulate(sources)
    with styled():
        sections = [make_section(s, lang, rules, whole) for s in sources for lang in s.languages]
    of_several = [section.source.name for section in sections] if len(sources) > 1 else ()
    said = headline.say_all([section.finding for section in sections], of_several)
    members = fates.tabulate(sources)
    comparison = compare.tabulate(sources)
    tables = [rules, members, whole, *_section_tables(sections)]
    tables += [comparison] if comparison else []
    tables += _tuning_tables(sections) + _in_context_tables(sections)
    html = _template().render(
        headline=said,
        sources=sources,
        sections=sections,
        warnings=[line for source in sources for line in fates.warn(source)],
        members=members.without_constants("sweep", "language", *CHOICES[1:], *_ZERO_COLUMNS),
        comparison=comparison,
        tables=tables,
        facts=[(s.name, provenance.describe(s), provenance.commands(s)) for s in sources],
    )
    drawings = [drawing for section in sections for drawing in section.drawings]
    _write_files(folder, html, tables, drawings, _latex(rules, sections))
    return said


_ZERO_COLUMNS = ("used to select", "failed", "training", "pending")


def _folder_of(workdirs: Sequence[pathlib.Path]) -> pathlib.Path:
    folder = workdirs[0] / "report"
    return folder if len(workdirs) == 1 else folder / "comparison"


def _section_tables(sections: Sequence[Section]) -> list[Table]:
    """Put what the sections have of one kind in one table each."""
    followed = [(s.source.name, s.language, s.curve) for s in sections]
    pairs = [(s.source, s.language, s.finding.rung, list(s.pairs)) for s in sections]
    return [
        divergence.tabulate_curves(followed),
        divergence.tabulate_indices(followed),
        explain.tabulate([row for s in sections for row in s.shares]),
        kinds.tabulate([row for s in sections if s.kinds for row in s.kinds.rows]),
        samples.tabulate(pairs),
    ]


def _tuning_tables(sections: Sequence[Section]) -> list[Table]:
    found = [section.tuning for section in sections if section.tuning]
    if not found:
        return []
    return [
        tuning.tabulate([row for one in found for row in one.rows]),
        tuning.tabulate_rates([row for one in found for row in one.rates]),
        tuning.tabulate_curves([row for one in found for row in one.curves]),
    ]


def _in_context_tables(sections: Sequence[Section]) -> list[Table]:
    found = [section.in_context for section in sections if section.in_context]
    if not found:
        return []
    return [
        in_context.tabulate([row for one in found for row in one.rows]),
        in_context.tabulate_swaps([row for one in found for row in one.swaps]),
    ]


def _latex(rules: Table, sections: Sequence[Section]) -> str:
    """Write the rule table at each language's ε; a heading says where there are several places."""
    rungs = {(s.source.name, s.language): s.finding.rung or "final" for s in sections}
    rows = [r for r in rules.rows if rungs[r["sweep"], r["language"]] == r["rung"]]
    places = [name for name in ("sweep", "language") if len({row[name] for row in rows}) > 1]

    def name_block(row: Row) -> str:
        return ", ".join([*(row[place] for place in places), rates.name_block(row)])

    return dataclasses.replace(rates.show(rules, rows), heading=name_block).to_latex()


def _template() -> jinja2.Template:
    files = importlib.resources.files("identjax.report")
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: files.joinpath(name).read_text("utf-8")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["most_rows"] = MOST_ROWS
    return environment.get_template("template.html.jinja")


def _write_files(
    folder: pathlib.Path,
    html: str,
    tables: Sequence[Table],
    drawings: Sequence[Drawing],
    latex: str,
) -> None:
    """Write every file, the page last, and remove those that an earlier page left."""
    files = {f"tables/{table.name}.csv": table.to_csv() for table in tables}
    files["tables/rules.tex"] = latex
    files |= {f"figures/{drawing.name}.svg": drawing.svg for drawing in drawings}
    files["index.html"] = html
    try:
        for part in ("tables", "figures"):
            (folder / part).mkdir(parents=True, exist_ok=True)
            for old in (folder / part).iterdir():
                if f"{part}/{old.name}" not in files and old.suffix in (".csv", ".tex", ".svg"):
                    old.unlink()
        for name, content in files.items():
            (folder / name).write_text(content, encoding="utf-8", newline="\n")
    except OSError as error:
        raise StoreError(f"cannot write the report in {folder}: {error.strerror}") from error
