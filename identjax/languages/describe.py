"""A language in words, for the command line."""

import ast
import inspect
from collections.abc import Iterable
from typing import Any

import numpy as np

from identjax.errors import ConfigError
from identjax.languages import baselines
from identjax.languages.language import Language
from identjax.predictor import complete

MOST_SHOWN = 80


def describe_language(lang: Language) -> list[str]:
    """Say what a language is, and its exact numbers.

    >>> from identjax import languages
    >>> describe_language(languages.make("L3", max_length=8))[5]
    'strings        4'
    """
    family = lang.family
    try:
        bits = lang.entropy / np.log(2)
        entropy = f"{lang.entropy:.6g} nats per string ({bits:.4g} bits)"
    except ConfigError as error:
        entropy = f"not exact here ({error.allowed})"
    return [
        f"{lang.name}: {_paragraph(type(family))}",
        f"max length     {lang.max_length}",
        f"alphabet       {' '.join(lang.vocabulary.symbols[:MOST_SHOWN])}",
        f"Chomsky class  {lang.chomsky} (without a maximum length)",
        f"entropy        {entropy}",
        f"strings        {_count(lang.count)}",
        f"mean length    {lang.mean_targets - 1:.6g}",
        f"rules          {_paragraph(type(family).rules)}",
    ]


def _paragraph(of: object) -> str:
    return " ".join((inspect.getdoc(of) or "").split("\n\n")[0].split())


def _count(count: int | None) -> str:
    if count is None:
        return "too many to count"
    return f"{count:,}" if count < 10**12 else f"about 10^{len(str(count)) - 1}"


def show_prompts(lang: Language, split: str, length: int | None, most: int) -> list[str]:
    """Show a few prompts of a split, what they break, and what chance and EOS now score."""
    found = lang.prompts(split, length)
    n = len(found.tokens)
    lines = [f"{split} prompts: {n} of {found.tokens.shape[1] - 1} symbols"]
    for at in np.linspace(0, n - 1, min(most, n)).astype(int):
        broken = [name for name, values in found.breaks.items() if values[at]]
        note = f"   breaks {' and '.join(broken)} for good" if broken else ""
        lines.append(f"  {lang.vocabulary.decode(found.tokens[at]) or '(empty)'}{note}")
    if n and lang.judged:
        ends = np.asarray(complete(baselines.eos_now(lang), found.tokens).tokens)
        lines += [_rates(lang, rule, found.tokens, ends) for rule in lang.judged]
    return lines


def _rates(lang: Language, rule: str, prompts: np.ndarray, ends: np.ndarray) -> str:
    can = lang.satisfiable(rule, prompts)
    if not can.any():
        return f"  {rule:3} can no longer hold"
    chance = baselines.chance_rate(lang, rule, prompts[can])
    now = np.asarray(lang.judge(rule, ends, prompts.shape[1] - 1))[can].mean()
    return f"  {rule:3} chance {chance:.4f}, EOS now {now:.4f}, over {can.sum()} where it can hold"


def read_options(texts: Iterable[str]) -> dict[str, Any]:
    """Read options given as name=value; values are numbers where they look like it.

    >>> read_options(["kinds=3", "depth=2"])
    {'kinds': 3, 'depth': 2}
    """
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise ConfigError("options", text, "name=value")
        try:
            found[name] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            found[name] = value
    return found
