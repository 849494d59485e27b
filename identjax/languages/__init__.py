"""Truths: languages with exact conditionals, entropy, rules and prompts."""

import importlib
import pkgutil

for _found in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_found.name}")

from identjax.languages import rules  # noqa: E402
from identjax.languages.base import Language, make  # noqa: E402
from identjax.languages.describe import read_options  # noqa: E402
from identjax.languages.family import LANGUAGES, Family, register  # noqa: E402

__all__ = ["LANGUAGES", "Family", "Language", "make", "read_options", "register", "rules"]
