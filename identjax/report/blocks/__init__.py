"""The blocks that every page has; each file registers its own."""

from identjax.registry import import_all

import_all(__name__, __path__)
