"""Studies: a room for each question, with what is computed, how it is shown, and its own parts.

Importing this finds the rooms and loads what they measure (measure.py, with its tasks and
objectives). How they are shown (show.py) is loaded when a page first asks for its blocks.
"""

import importlib
import importlib.util
import pkgutil

from identjax.report.block import BLOCKS


def load(part: str) -> None:
    """Import one file of every room that has it, so that it registers what is in it."""
    for room in pkgutil.iter_modules(__path__):
        name = f"{__name__}.{room.name}.{part}"
        if importlib.util.find_spec(name):
            importlib.import_module(name)


load("measure")
BLOCKS.before_reading(lambda: load("show"))
