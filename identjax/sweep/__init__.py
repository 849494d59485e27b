"""A sweep of members: planned, trained in slots, kept in a folder."""

import sys

from identjax import axes

# Configs once imported it from here.
sys.modules[f"{__name__}.axes"] = axes
