"""Reports: tables, figures and one offline page, drawn from what was evaluated."""

from collections.abc import Sequence

from identjax.report.block import BLOCKS
from identjax.report.cache import Path, Report


def write(workdirs: Path | Sequence[Path], out: Path | None = None) -> Report:
    """Draw one page from one or more results folders; nothing is trained, no model is loaded.

    Writes index.html, tables/*.csv, tables/*.tex and figures/*.svg into `out`, by default the
    folder `report` of the workdir. The same evaluations give the same bytes, and a page that
    stands for them already is left as it is.
    """
    # Who only registers a block, or measures, waits for no library of figures.
    from identjax.report import page

    return page.write(workdirs, out)


def _load() -> None:
    from identjax.report import blocks  # noqa: F401 (each file registers its own)


BLOCKS.before_reading(_load)
