"""A language with noise: its law by hand, and what can carry it."""

import itertools

import numpy as np
import pytest

from identjax import languages
from identjax.errors import ConfigError


def test_a_string_is_of_the_base_or_noise() -> None:
    lang, base = languages.make("smoothed", 6, base="L2", weight=0.25), languages.make("L2", 6)
    tokens, log_p = lang.support()
    assert len(tokens) == sum(2**k for k in range(7))
    own_tokens, own_log_p = base.support()
    own = {base.vocabulary.decode(t): np.exp(p) for t, p in zip(own_tokens, own_log_p, strict=True)}
    for row, p in zip(tokens, np.exp(log_p), strict=True):
        text = lang.vocabulary.decode(row)
        noise = 1 / (7 * 2 ** len(text))
        assert p == pytest.approx(0.75 * own.get(text, 0) + 0.25 * noise, rel=1e-12)


def test_after_what_the_base_rules_out_only_noise_is_left() -> None:
    lang = languages.make("smoothed", 6, weight=1e-3)
    v = lang.vocabulary
    law = np.exp(np.asarray(lang.score(np.array([[v.bos, *v.encode("aba")]], np.int32)))[0, -1])
    # Three of the seven lengths are behind: the next four are alike.
    np.testing.assert_allclose(law[[*v.encode("ab"), v.eos]], [0.375, 0.375, 0.25], atol=1e-6)


def test_no_prompt_is_impossible_and_the_rules_are_those_of_the_base() -> None:
    lang = languages.make("smoothed", 10, base="L3")
    assert len(lang.prompts("ood").tokens) == 0
    assert len(lang.prompts("id").tokens) == 2**8
    assert lang.definition.rules == languages.make("L3", 10).definition.rules


def test_noise_is_rare() -> None:
    lang, base = languages.make("smoothed", 12, weight=0.01), languages.make("L3", 12)
    inside = lang.prompts("id", 3).tokens
    p = {}
    for row in inside:
        steps = np.asarray(lang.score(row[None]))[0]
        p[lang.vocabulary.decode(row)] = np.exp(steps[range(3), row[1:]].astype(float).sum())
    of_base = {base.vocabulary.decode(row) for row in base.prompts("id", 3).tokens}
    every = map("".join, itertools.product("ab", repeat=3))
    rare = sum(p[text] for text in every if text not in of_base)
    # Of noise, 10 of 13 lengths are 3 or more, and 5 of 8 beginnings are none of the base's.
    assert rare == pytest.approx(0.01 * 10 / 13 * (8 - len(of_base)) / 8, rel=1e-4)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"weight": 0.0}, "weight=0.0"),
        ({"weight": 1.0}, "weight=1.0"),
        ({"weight": "much"}, "weight='much'"),
        ({"base": "L4"}, "base='L4'"),
        ({"base": "hmm"}, "base='hmm'"),
        ({"base": "L33"}, "did you mean 'L3'"),
    ],
)
def test_what_cannot_be_smoothed_is_refused(options: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        languages.make("smoothed", 8, **options)
