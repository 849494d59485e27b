"""Truths: languages with exact conditionals, entropy, rules and prompts."""

from identjax.languages import known, rules
from identjax.languages.definition import LANGUAGES, Definition, register
from identjax.languages.language import Language, make

__all__ = ["LANGUAGES", "Definition", "Language", "known", "make", "register", "rules"]
