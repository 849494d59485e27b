"""Measures, one file each; every file here is imported, so that a new file is enough."""

from identjax.registry import import_all

import_all(__name__, __path__)
