"""How figures look: colours for everybody, text that follows the page, bytes that repeat."""

import contextlib
import dataclasses
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator

from identjax.report.block import Drawing

# Okabe and Ito's colours, without the yellow that is lost on white; shapes say the same again.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C8C8C")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p")
DASHES = ("-", "--", "-.", ":")
# Stands for the colour of the text around the figure, light or dark; see `_follow_page`.
INK = "#010203"
QUIET = "#7f7f80"

_RC: dict[Any, Any] = {
    "svg.hashsalt": "identjax",
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.family": ["DejaVu Sans"],
    "font.size": 10.0,
    "axes.titlesize": 10.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 10.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.alpha": 0.16,
    "grid.linewidth": 0.7,
    "legend.frameon": False,
    "legend.fontsize": 9.0,
    "legend.handletextpad": 0.4,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    **dict.fromkeys(
        ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), INK
    ),
    "grid.color": INK,
}
_FONTS = "system-ui, 'DejaVu Sans', sans-serif"
_NO_METADATA = dict.fromkeys(("Date", "Creator", "Format", "Type"))


@dataclasses.dataclass(frozen=True)
class Look:
    """The colour, shape and line of one series."""

    colour: str
    marker: str
    dash: str

    @property
    def mark(self) -> dict[str, Any]:
        """How a mark without a line looks in a legend."""
        return {"ls": "", "marker": self.marker, "ms": 6, "color": self.colour}


def looks(names: Sequence[str]) -> dict[str, Look]:
    """Give each series its look, by its place among all of them."""
    return {
        name: Look(COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)], DASHES[i % len(DASHES)])
        for i, name in enumerate(names)
    }


@contextlib.contextmanager
def styled() -> Iterator[None]:
    """Draw and save with the style of the page, whatever the user's own settings are."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_RC)
        yield


def new_figure(width: float = 5.6, height: float = 3.6) -> Figure:
    """Make an empty figure; the size is in inches, and the page scales it."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasSVG(figure)
    return figure


def finish(figure: Figure, name: str, title: str, caption: str) -> Drawing:
    """Write a figure as an SVG that says the same each time."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata=_NO_METADATA)
    return Drawing(name, _follow_page(buffer.getvalue().decode(), name), title, caption)


def write_legend(figure: Figure, lines: Mapping[str, Mapping[str, Any]], columns: int = 3) -> None:
    """Name series above a figure, each by how its line looks."""
    handles = [Line2D([], [], label=name, **line) for name, line in lines.items()]
    figure.legend(handles=handles, loc="outside upper left", ncols=min(len(handles), columns))


def make_log(axes: Axes, which: str) -> None:
    """Make the x or y axis that of a KL or an ε: a log scale with its numbers written out."""
    axes.set(**{f"{which}scale": "log"})
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(LogLocator(10, numticks=6))
    axis.set_major_formatter(FuncFormatter(lambda value, _: format(value, "g")))

    def label_minor(value: float, _: int | None) -> str:
        # Within one decade there may be no other number at all.
        low, high = sorted(axis.get_view_interval())
        return format(value, "g") if high < 10 * low else ""

    axis.set_minor_formatter(FuncFormatter(label_minor))


def _follow_page(svg: str, name: str) -> str:
    """Take colour and fonts from the page, and make the ids unique on it."""
    svg = svg.replace(INK, "currentColor").replace("xlink:href", "href")
    svg = re.sub(r"<!DOCTYPE[^>]*>\s*", "", svg)
    svg = re.sub(r'\sxmlns:xlink="[^"]*"', "", svg)
    svg = re.sub(r"'DejaVu Sans'(, sans-serif)?", _FONTS, svg)
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r'\bhref="#', f'href="#{name}-', svg)
    return svg.replace("url(#", f"url(#{name}-")


def slug(*parts: str) -> str:
    """Make a file name of names that may hold anything; two names never give the same one."""
    plain = [re.sub(r"[^A-Za-z0-9_-]+", "-", part).strip("-") for part in parts]
    return ".".join(
        name if name == part else f"{name}-{blake2b(part.encode(), digest_size=3).hexdigest()}"
        for name, part in zip(plain, parts, strict=True)
    )
