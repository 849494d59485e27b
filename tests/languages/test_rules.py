"""The rule algebra, and languages made of rules, against plain Python."""

import itertools

import numpy as np
import pytest

from identjax.errors import ConfigError
from identjax.languages import Language, rules
from identjax.languages.judge import BoundRule
from identjax.languages.law.graph import frame
from identjax.vocabulary import Vocabulary

AB, BRACKETS = Vocabulary(("a", "b")), Vocabulary(("(", ")", "[", "]"))


def strings(alphabet: str, longest: int) -> list[str]:
    lengths = range(longest + 1)
    return ["".join(s) for k in lengths for s in itertools.product(alphabet, repeat=k)]


def judge(rule: rules.Rule, vocabulary: Vocabulary, texts: list[str]) -> list[bool]:
    longest = max(map(len, texts))
    rows = [frame(vocabulary, vocabulary.encode(text)[None], longest) for text in texts]
    bound = BoundRule(rule, vocabulary, longest)
    return np.asarray(bound.holds(np.concatenate(rows))).tolist()


def closes(text: str, pairs: dict[str, str]) -> bool:
    stack: list[str] = []
    for s in text:
        if s in pairs:
            stack.append(pairs[s])
        elif s in pairs.values() and (not stack or stack.pop() != s):
            return False
    return not stack


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (rules.even("a"), lambda s: s.count("a") % 2 == 0),
        (rules.starts_with("b", "ab"), lambda s: s[:1] == "b"),
        (rules.contains("b"), lambda s: "b" in s),
        (rules.nonempty("ab"), lambda s: s != ""),
        (rules.ordered("ab"), lambda s: "ba" not in s),
        (
            rules.ordered("aba"),
            lambda s: (
                "bab" not in s.replace("aa", "a").replace("bb", "b")
                and s
                in [
                    a * "a" + b * "b" + c * "a"
                    for a in range(8)
                    for b in range(8)
                    for c in range(8)
                ]
            ),
        ),
        (rules.equal_counts("ab"), lambda s: s.count("a") == s.count("b")),
        (rules.anything(), lambda s: True),
        (~rules.even("a"), lambda s: s.count("a") % 2 == 1),
        (rules.even("a") | rules.even("b"), lambda s: 0 in (s.count("a") % 2, s.count("b") % 2)),
        (rules.even("a") & rules.even("b"), lambda s: 0 == s.count("a") % 2 == s.count("b") % 2),
        (rules.Balance(("b", "b"), ("a",)), lambda s: s.count("a") == 2 * s.count("b")),
    ],
)
def test_rules_over_letters(rule, expected) -> None:
    texts = strings("ab", 7)
    assert judge(rule, AB, texts) == [expected(s) for s in texts]


@pytest.mark.parametrize(
    ("rule", "pairs"),
    [
        (rules.matched("()"), {"(": ")"}),
        (rules.matched("[]"), {"[": "]"}),
        (rules.nested("()", "[]"), {"(": ")", "[": "]"}),
        (rules.nested("[]"), {"[": "]"}),
    ],
)
def test_rules_over_brackets(rule: rules.Rule, pairs: dict[str, str]) -> None:
    texts = strings("()[]", 6)
    assert judge(rule, BRACKETS, texts) == [closes(s, pairs) for s in texts]


def test_rules_look_from_a_position_and_stop_at_the_end() -> None:
    bound = BoundRule(rules.equal_counts("ab"), AB, 6)
    rows = frame(AB, AB.encode("aaab")[None], 6)
    assert [bool(bound.holds(rows, start)[0]) for start in range(6)] == [
        False,
        False,
        False,
        True,
        False,
        True,
    ]
    after_end = rows.copy()
    after_end[0, 6] = 0
    assert bool(bound.holds(after_end, 3)[0])


def test_rules_that_say_the_same_are_the_same() -> None:
    assert rules.even("a") & rules.contains("b") == rules.even("a") & rules.contains("b")
    assert hash(rules.ordered("ab")) == hash(rules.ordered("ab"))
    assert rules.even("a") != rules.even("b")


def test_from_rules_is_uniform_by_length() -> None:
    rule = rules.nested("()", "[]") & ~rules.contains("[")
    lang = Language.from_rules("()[]", rule, max_length=8)
    tokens, log_p = lang.support() or pytest.fail("a small support")
    texts = [lang.vocabulary.decode(row) for row in tokens]
    expected = [s for s in strings("()", 8) if closes(s, {"(": ")"})]
    assert sorted(texts) == sorted(expected)
    by_length = {n: [t for t in texts if len(t) == n] for n in (0, 2, 4, 6, 8)}
    for text, p in zip(texts, np.exp(log_p), strict=True):
        assert p == pytest.approx(1 / 5 / len(by_length[len(text)]))
    assert list(lang.rules) == ["R1", "R2"]


def test_from_rules_reaches_lengths_that_cannot_be_listed() -> None:
    lang = Language.from_rules("()[]", rules.nested("()", "[]"), max_length=24)
    catalan = [1, 1]
    for n in range(1, 12):
        catalan.append(catalan[-1] * 2 * (2 * n + 1) // (n + 2))
    assert lang.count == sum(catalan[n] * 2**n for n in range(13))


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: Language.from_rules("ab", ~rules.anything(), 4), "max_length"),
        (lambda: Language.from_rules("ab", rules.contains("c"), 4), "symbol"),
        (lambda: Language.from_rules((), rules.anything(), 4), "symbols"),
        (lambda: Language.from_rules(("EOS", "a"), rules.anything(), 4), "symbols"),
        (lambda: Language.from_rules(("a", 3), rules.anything(), 4), "symbols"),
        (lambda: Language.from_rules("aa", rules.anything(), 4), "symbols"),
        (lambda: Language.from_rules("ab", "a before b", 4), "rule"),
        (lambda: Language.from_rules("ab", rules.anything(), -1), "max_length"),
        (lambda: rules.equal_counts("a"), "symbols"),
    ],
)
def test_bad_input_is_named(make, field: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make()
    assert caught.value.field == field
