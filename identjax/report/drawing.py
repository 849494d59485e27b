"""A figure as the page needs it: its SVG with its name and what it shows."""

import dataclasses
import html
import re


@dataclasses.dataclass(frozen=True)
class Drawing:
    """A figure ready for the page: its file name, its SVG, what it shows and what n is."""

    name: str
    svg: str
    title: str
    caption: str

    @property
    def inline(self) -> str:
        """The SVG for an HTML page: no prolog, no namespaces, named for screen readers."""
        start = self.svg.index("<svg")
        end = self.svg.index(">", start)
        root = re.sub(r'\s(xmlns|version|width|height)="[^"]*"', "", self.svg[start:end])
        label = html.escape(self.title, quote=True)
        return f'{root} role="img" aria-label="{label}"{self.svg[end:]}'
