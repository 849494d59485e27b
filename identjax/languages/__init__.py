"""Truths: languages with exact conditionals, entropy, rules and prompts."""

from identjax.languages import known, rules
from identjax.languages.definition import LANGUAGES, Family, register
from identjax.languages.describe import read_options
from identjax.languages.language import Language, make

__all__ = ["LANGUAGES", "Family", "Language", "known", "make", "read_options", "register", "rules"]
