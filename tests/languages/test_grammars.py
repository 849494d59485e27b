"""PCFGs: prefix probabilities at a length that cannot be listed, and grammars that are refused."""

import numpy as np
import pytest

from identjax import languages
from identjax.errors import ConfigError

SUMS = [
    ["E", "T", 0.6], ["E", "T + E", 0.4],
    ["T", "x", 0.7], ["T", "( E )", 0.3],
]  # fmt: skip


def test_sums_with_brackets() -> None:
    lang = languages.make("pcfg", 7, productions=SUMS)
    assert lang.vocabulary.symbols == ("(", ")", "+", "x")
    tokens, log_p = lang.support() or pytest.fail("a small support")
    found = dict(zip((lang.vocabulary.decode(row) for row in tokens), log_p, strict=True))
    shares = {"x": 0.42, "x+x": 0.7 * 0.4 * 0.42, "(x)": 0.6 * 0.3 * 0.42}
    for text, share in shares.items():
        assert found[text] - found["x"] == pytest.approx(np.log(share / 0.42), abs=1e-5)
    assert np.exp(log_p).sum() == pytest.approx(1, abs=1e-5)
    assert lang.entropy == pytest.approx(-(np.exp(log_p) * log_p).sum(), abs=1e-5)


def test_prefix_probabilities_at_length_25() -> None:
    lang = languages.make("pcfg", 25)
    # w c reversed(w): after k letters the centre has .3 against .7 for one more of the two, given
    # that the string has at most 12 letters before its centre.
    weights = 0.7 ** np.arange(13) * 0.3
    text = "abba" * 3
    tokens = np.array([[lang.vocabulary.bos, *lang.vocabulary.encode(text)]])
    law = np.exp(np.asarray(lang.score(tokens))[0])
    centre = [weights[k] / weights[k:].sum() for k in range(13)]
    np.testing.assert_allclose(law[:, 2], centre, rtol=1e-4)
    np.testing.assert_allclose(law[:, 0], law[:, 1], rtol=1e-4, atol=1e-7)
    assert lang.count == 2**13 - 1


@pytest.mark.parametrize(
    ("productions", "message"),
    [
        ([["S", "S S", 0.4], ["S", "a", 0.6]], "two derivations"),
        ([["S", "A", 0.5], ["S", "a", 0.5], ["A", "a", 1.0]], "two derivations"),
        ([["S", "a", 0.6]], "add up to 1"),
        ([["S", "a", 1.5]], "share above 0"),
        ([["S", "", 1.0]], "not empty"),
        ([["S", "A", 1.0], ["A", "S", 1.0]], "circle"),
        ([["S", "S S", 1.0]], "symbols"),
        ([], "at least one"),
        ([["S", "PAD", 1.0]], "PAD"),
    ],
)
def test_grammars_that_are_refused(productions, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        languages.make("pcfg", 6, productions=productions)


def test_what_cannot_be_shown_unambiguous_is_refused_not_trusted() -> None:
    even_palindromes = [
        ["S", "a S a", 0.3], ["S", "b S b", 0.3], ["S", "a a", 0.2], ["S", "b b", 0.2]
    ]  # fmt: skip
    assert languages.make("pcfg", 8, productions=even_palindromes).count == 30
    with pytest.raises(ConfigError, match="unambiguous beyond length"):
        languages.make("pcfg", 64, productions=even_palindromes)


def test_too_short_for_any_string() -> None:
    with pytest.raises(ConfigError, match="max_length"):
        languages.make("pcfg", 2, productions=[["S", "a b c", 1.0]])
