"""The page: everything put together, and written."""

import dataclasses
import os
import pathlib
from collections.abc import Mapping, Sequence

import jinja2

from identjax.errors import ConfigError
from identjax.report import cache, headline, provenance
from identjax.report.block import Block, Entry, in_order
from identjax.report.cache import Path, Report
from identjax.report.gather import Source, gather
from identjax.report.style import styled
from identjax.report.table import to_csv
from identjax.report.view import View
from identjax.store import Store, StoreError

# Longer folded tables are in their CSV only.
MOST_ROWS = 300


@dataclasses.dataclass(frozen=True)
class Part:
    """A block that was made, of one view or (without) of all, and what it is on the page."""

    entry: Entry
    view: View | None
    block: Block
    html: str


@dataclasses.dataclass(frozen=True)
class Section:
    """What the page says of one language of one sweep."""

    view: View
    parts: tuple[Part, ...]

    @property
    def finding(self) -> headline.Finding:
        """What the headline says, and what a block does where no rule was judged."""
        told = next((part.block.headline for part in self.parts if part.block.headline), "")
        return dataclasses.replace(self.view.finding, otherwise=told)

    @property
    def sentence(self) -> str:
        """The headline of the language."""
        return headline.say(self.finding)


def write(workdirs: Path | Sequence[Path], out: Path | None = None) -> Report:
    """Draw the page, unless the one that stands is drawn from just this."""
    several = [workdirs] if isinstance(workdirs, str | os.PathLike) else list(workdirs)
    paths = [Store(path).workdir for path in several]
    drawn_from = cache.fingerprint(paths)
    place = "report" if len(paths) == 1 else "report/comparison"
    folder = pathlib.Path(out) if out is not None else paths[0] / place
    known = cache.recall(folder, drawn_from)
    if known is None:
        known = _draw(gather(paths), folder)
        cache.remember(known, drawn_from)
    return known


def _draw(sources: Sequence[Source], folder: pathlib.Path) -> Report:
    views = [View.of(source, language) for source in sources for language in source.languages]
    environment = _make_environment()
    parts, failures = _make_parts(views, environment)
    sections = [Section(view, tuple(p for p in parts if p.view is view)) for view in views]
    of_several = [view.source.name for view in views] if len(sources) > 1 else ()
    said = headline.say_all([section.finding for section in sections], of_several)
    tables, of_page = _write_tables(parts), [part for part in parts if part.view is None]
    html = environment.get_template("template.html.jinja").render(
        headline=said,
        sources=sources,
        sections=sections,
        warnings=[line for source in sources for line in headline.warn(source)],
        above=[part for part in of_page if part.entry.place < 0],
        below=[part for part in of_page if part.entry.place >= 0],
        tables=list(tables),
        facts=[(s.name, provenance.describe(s), provenance.commands(s)) for s in sources],
    )
    files = {f"tables/{name}": content for name, content in tables.items()}
    for part in parts:
        files |= {f"figures/{drawing.name}.svg": drawing.svg for drawing in part.block.figures}
    _write_files(folder, files | {"index.html": html})
    return Report(folder / "index.html", said, tuple(failures))


def _make_parts(views: list[View], environment: jinja2.Environment) -> tuple[list[Part], list[str]]:
    """Make the blocks of every view, then those of the page; say of each that failed why."""
    macros = vars(environment.get_template("blocks.html.jinja").module)
    asked: list[tuple[View | None, Entry]] = []
    asked += [(view, entry) for view in views for entry in in_order() if entry.of == "language"]
    asked += [(None, entry) for entry in in_order() if entry.of == "page"]
    parts, failures = [], []
    for view, entry in asked:
        try:
            with styled():
                found = entry.of_view(view or views)
            if found is not None:
                html = macros["show_block"](found, entry.name, 3 if view else 2)
                parts.append(Part(entry, view, found, html))
        except Exception as error:  # one block must not take the others with it
            failures.append(_describe(entry, view, error))
    return parts, failures


def _describe(entry: Entry, view: View | None, error: Exception) -> str:
    of = f"{view.language} in {view.source.name}" if view else "the page"
    cause = str(error) if isinstance(error, ConfigError) else f"{type(error).__name__}: {error}"
    for start in (": ", "="):
        cause = cause.removeprefix(f"block {entry.name}{start}")
    return " ".join(f"block {entry.name} of {of}: {cause}".split())


def _write_tables(parts: Sequence[Part]) -> dict[str, str]:
    """Give each block's file of rows, and in LaTeX its tables that are not folded."""
    together: dict[str, list[Part]] = {}
    for part in sorted(parts, key=lambda part: (part.entry.place, part.entry.name)):
        together.setdefault(part.entry.name, []).append(part)
    views = {part.view for part in parts if part.view}
    places = {view: (view.source.name, view.language) for view in views}
    told = [len(set(names)) > 1 for names in zip(*places.values(), strict=True)]
    files = {}
    for name, own in together.items():
        rows = [row for part in own for row in part.block.csv_rows]
        if own[0].entry.schema is not None:
            files[f"{name}.csv"] = to_csv(own[0].entry.schema.names, rows)
        elif any(part.block.rows is not None for part in own):
            files[f"{name}.csv"] = to_csv(list(dict.fromkeys(f for row in rows for f in row)), rows)
        tabulars = []
        for part in own:
            place = zip(places[part.view], told, strict=True) if part.view else ()
            where = ", ".join(word for word, is_told in place if is_told)
            tabulars += [
                table.to_latex(table.label or part.block.title, where)
                for table in part.block.tables
                if table.rows and not table.folded
            ]
        if tabulars:
            files[f"{name}.tex"] = "\n".join(tabulars)
    return files


def _make_environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("identjax", "report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["most_rows"] = MOST_ROWS
    return environment


def _write_files(folder: pathlib.Path, files: Mapping[str, str]) -> None:
    """Write every file, the page last, and remove those that an earlier page left."""
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
