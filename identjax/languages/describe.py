"""A language in words, for the command line."""

import inspect

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
    kind = type(lang.definition)
    said = _paragraph(kind.rules) if isinstance(kind.rules, property) else ", ".join(lang.rules)
    try:
        bits = lang.entropy / np.log(2)
        entropy = f"{lang.entropy:.6g} nats per string ({bits:.4g} bits)"
    except ConfigError as error:
        entropy = f"not exact here ({error.allowed})"
    return [
        f"{lang.name}: {_paragraph(kind)}",
        f"max length     {lang.max_length}",
        f"alphabet       {' '.join(lang.vocabulary.symbols[:MOST_SHOWN])}",
        f"Chomsky class  {kind.chomsky} (without a maximum length)",
        f"entropy        {entropy}",
        f"strings        {_count(lang.count)}",
        f"mean length    {lang.mean_targets - 1:.6g}",
        f"rules          {kind.why_no_rules or said}",
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
