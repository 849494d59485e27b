"""Completions with the place marked from which a rule can no longer hold."""

import dataclasses

import numpy as np

from identjax.languages import Language
from identjax.report.table import Column, Marked

END = "∎"
CUT = "…"
PROMPT = Column("prompt", lambda row: Marked(((row["prompt"], "end"),)), number=False)


@dataclasses.dataclass(frozen=True)
class Marker:
    """Judges completions by a language's rules; without the language it only shows them."""

    language: Language | None = None

    def mark(self, prompt: str, completion: str, finished: bool) -> Marked:
        """Judge one completion by the rules that its prompt leaves open."""
        end = END if finished else CUT
        whole = (completion, "go"), (end, "end")
        if self.language is None:
            return Marked(whole)
        language = self.language
        head, tail = language.vocabulary.encode(prompt), language.vocabulary.encode(completion)
        breaks = {
            name: find_break(language, name, head, tail, finished) for name in language.judged
        }
        open_rules = {name: at for name, at in breaks.items() if at is None or at >= 0}
        places = [at for at in open_rules.values() if at is not None]
        verdicts = tuple((name, at is None) for name, at in open_rules.items())
        return Marked(_cut(language, tail, min(places), end) if places else whole, verdicts)

    def column(self, label: str, field: str) -> Column:
        """Show the completion in a field (its text, whether it ended) of a row with its prompt."""
        return Column(label, lambda row: self.mark(row["prompt"], *row[field]), number=False)


def find_break(
    language: Language, name: str, prompt: np.ndarray, completion: np.ndarray, finished: bool
) -> int | None:
    """Give the place in the completion from which a rule is lost: −1 for the prompt, None if kept.

    The number of symbols of the completion stands for its end: it ended, or was cut off, too soon.
    """
    rule, start = language.find_rule(name, len(prompt))
    symbols = np.concatenate([prompt, completion])
    n = len(symbols)
    bos = np.full((n + 1, 1), rule.vocabulary.bos)
    prefixes = np.where(np.tri(n + 1, n, -1, dtype=bool), symbols, rule.vocabulary.pad)
    # After each prefix, the fewest symbols that make the rule hold, [T+1].
    distance = rule.reach.distance[rule.states(np.concatenate([bos, prefixes], 1), start)]
    left = rule.max_length - np.arange(n + 1)
    lost = np.flatnonzero((distance > left)[len(prompt) :])
    if len(lost):
        return int(lost[0]) - 1
    return None if finished and distance[-1] == 0 else len(completion)


def _cut(language: Language, tail: np.ndarray, place: int, end: str) -> tuple[tuple[str, str], ...]:
    decode, gap = language.vocabulary.decode, " " if language.vocabulary.spaced else ""
    if place >= len(tail):
        return (decode(tail), "go"), (end, "break")
    before, after = decode(tail[:place]), decode(tail[place + 1 :])
    return (
        (before + (gap if before else ""), "go"),
        (decode(tail[place : place + 1]), "break"),
        ((gap if after else "") + after, "go"),
        (end, "end"),
    )
