"""The probability to keep a rule, against sums over all strings."""

import itertools

import jax
import numpy as np
import pytest

from identjax import languages
from identjax.evaluation import mass
from identjax.evaluation.mass import measure_mass
from identjax.languages.baselines import chance_rate, eos_now, uniform
from tests.planted import LANG, off_law, plant

LAWS = [off_law(LANG, a=0.25, b=0.25, eos=0.5), off_law(LANG, a=0.1, b=0.6, eos=0.3)]
OOD = np.asarray(LANG.prompts("ood", 9).tokens)
RULES = {
    "R1": lambda text, after: text.count("a") == text.count("b"),
    "R2": lambda text, after: "ba" not in text,
    "R2c": lambda text, after: "ba" not in after,
}


def sum_over_strings(law: np.ndarray, prompt: str, rule: str) -> float:
    """Add up p(x EOS) of all x behind a prompt with which it keeps a rule."""
    a, b, eos = np.exp(law[:3])
    total = 0.0
    for length in range(LANG.max_length - len(prompt) + 1):
        for letters in itertools.product("ab", repeat=length):
            after = "".join(letters)
            if RULES[rule](prompt + after, after):
                total += a ** after.count("a") * b ** after.count("b") * eos
    return total


def test_listed_continuations_add_up_to_the_brute_sum() -> None:
    found = measure_mass(LANG, plant(LAWS), {"ood": OOD}, {})
    for rule in RULES:
        one = found["ood", rule]
        judged = OOD[LANG.satisfiable(rule, OOD)]
        texts = [LANG.vocabulary.decode(prompt) for prompt in judged]
        assert (one.exact, one.draws, one.prompts) == (True, 0, len(texts))
        wanted = [
            np.mean([sum_over_strings(law, t, rule) for t in texts] or np.nan) for law in LAWS
        ]
        np.testing.assert_allclose(one.mass, wanted, rtol=1e-5)
        np.testing.assert_allclose(one.low, one.high)
    # p(EOS within three more symbols)
    np.testing.assert_allclose(found["ood", "R1"].finished, [1 - 0.5**4, 1 - 0.7**4], rtol=1e-5)


def test_a_table_is_exact_at_any_length() -> None:
    lang = languages.make("L3", 40)
    prompts = {"ood": np.asarray(lang.prompts("ood").tokens)}
    both = jax.tree.map(lambda *leaves: np.stack(leaves), uniform(lang), eos_now(lang))
    found = measure_mass(lang, both, prompts, {})["ood", "R1"]
    assert found.exact
    wanted = [chance_rate(lang, "R1", prompts["ood"]), 69 / 251]
    np.testing.assert_allclose(found.mass, wanted, rtol=1e-6)
    np.testing.assert_allclose(found.finished, [1 - (2 / 3) ** 33, 1], rtol=1e-6)


def test_draws_surround_the_exact_value(monkeypatch: pytest.MonkeyPatch) -> None:
    stack, prompts = plant(LAWS), {"ood": OOD[::9], "id": LANG.prompts("id", 4).tokens}
    exact = measure_mass(LANG, stack, {"ood": prompts["ood"]}, {})
    monkeypatch.setattr(mass, "LISTED", 0)
    drawn = measure_mass(LANG, stack, prompts, {"ood": 10_000, "id": 100})
    for rule in ("R1", "R2c"):
        one, truth = drawn["ood", rule], exact["ood", rule]
        assert not one.exact
        assert one.prompts == truth.prompts
        assert one.draws == pytest.approx(10_000, rel=0.05) or rule == "R1"
        assert ((one.low <= truth.mass) & (truth.mass <= one.high)).all()
        assert (one.high - one.low < 0.025).all()
        np.testing.assert_allclose(one.finished, truth.finished, atol=0.02)
    # In distribution the planted members are the truth, which always ends and keeps its rules.
    assert (drawn["id", "R1"].mass == 1).all()
    assert (drawn["id", "R1"].low < 1).all()


def test_a_rule_that_no_prompt_leaves_open_has_no_mass(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = OOD[~LANG.satisfiable("R1", OOD)][:5]
    for listed in (mass.LISTED, 0):
        monkeypatch.setattr(mass, "LISTED", listed)
        found = measure_mass(LANG, plant(LAWS), {"ood": broken}, {"ood": 20})["ood", "R1"]
        assert found.prompts == found.draws == 0
        for values in (found.mass, found.low, found.high, found.finished):
            assert np.isnan(values).all()


def test_nothing_is_left_to_write_at_full_length() -> None:
    lang = languages.make("L3", 8)
    prompts = {"ood": np.asarray(lang.prompts("ood", 8).tokens)}
    law = off_law(lang, a=0.5, eos=0.5)
    found = measure_mass(lang, plant([law], lang=lang), prompts, {})["ood", "R1"]
    np.testing.assert_allclose(found.finished, 0.5)
    np.testing.assert_allclose(found.mass, 0.5)
