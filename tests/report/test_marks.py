"""The mark stands where a rule is lost, and verdicts are those of the evaluation."""

import itertools

import numpy as np
import pytest

from identjax import languages
from identjax.report.marks import Marker, find_break

# Prompt, completion, whether it ended: what holds of the rules left open, and what is marked.
CASES = [
    ("ba", "b", True, {"R1": False, "R2c": True}, "∎"),
    ("aab", "b", True, {"R1": True, "R2": True, "R2c": True}, ""),
    ("aab", "ab", True, {"R1": False, "R2": False, "R2c": True}, "a"),
    ("ba", "bbb", False, {"R1": False, "R2c": False}, "…"),
    ("b", "aaba", True, {"R1": False, "R2": False, "R2c": False}, "a"),
    ("aaaa", "aaaa", False, {"R1": False, "R2": False, "R2c": False}, "a"),
]


@pytest.mark.parametrize(("prompt", "completion", "finished", "verdicts", "symbol"), CASES)
def test_the_mark_is_where_a_rule_is_lost(
    prompt: str, completion: str, finished: bool, verdicts: dict[str, bool], symbol: str
) -> None:
    marked = Marker(languages.make("L3", max_length=8)).mark(prompt, completion, finished)
    assert str(marked) == completion + ("∎" if finished else "…")
    assert "".join(text for text, kind in marked.pieces if kind == "break") == symbol
    assert dict(marked.verdicts) == verdicts


@pytest.mark.parametrize("name", ["L1", "L3"])
def test_verdicts_are_those_of_the_evaluation(name: str) -> None:
    language = languages.make(name, max_length=6)
    v = language.vocabulary
    symbols = range(len(v.symbols))
    for prompt in itertools.islice(itertools.product(symbols, repeat=2), 8):
        tails = [
            np.array(tail, np.int32)
            for n in range(4)
            for tail in itertools.product(symbols, repeat=n)
        ][:60]
        rows = np.full((len(tails), 8), v.pad)
        for row, tail in zip(rows, tails, strict=True):
            row[: len(tail) + 4] = [v.bos, *prompt, *tail, v.eos]
        for rule in language.judged:
            held = np.asarray(language.judge(rule, rows, 2))
            possible = language.satisfiable(rule, rows[:1, :3])[0]
            breaks = [find_break(language, rule, np.array(prompt), t, True) for t in tails]
            assert [b is None for b in breaks] == held.tolist()
            assert all(b == -1 for b in breaks) == (not possible)
