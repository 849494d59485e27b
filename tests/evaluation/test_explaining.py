"""Which simple law a member is nearest to, where that is planted."""

import numpy as np
import pytest

from identjax import languages
from identjax.evaluation.explaining import compare_laws, list_laws
from identjax.evaluation.laws_at import js_from, kl_from
from identjax.evaluation.likelihood import laws_after
from tests.planted import LANG, off_law, plant

OOD = np.asarray(LANG.prompts("ood").tokens)
ORDERS = [f"order_{k}" for k in range(5)]
THIRDS = off_law(LANG, a=1 / 3, b=1 / 3, eos=1 / 3)


def gaps_of(*laws: np.ndarray, prompts: np.ndarray = OOD) -> dict[str, dict[str, float]]:
    found = compare_laws(LANG, prompts, laws_after(plant(laws), prompts))
    return {name: {"kl": near.kl, "js": near.js, "at": near} for name, near in found.items()}


def test_the_laws_of_a_language_have_names() -> None:
    known = {"chance", "eos_now", "noise", "noise_R1", "noise_R2"}
    assert set(list_laws(LANG)) == {*known, *ORDERS}
    # Not an automaton, and without rules: what is left is defined for every truth.
    assert set(list_laws(languages.make("L4", 8))) == known
    assert set(list_laws(languages.make("pcfg", 6))) == {"chance", "eos_now", "noise"}


def test_members_are_nearest_to_what_they_are() -> None:
    found = gaps_of(THIRDS, off_law(LANG, a=0.001, b=0.001, eos=0.998))
    nearest = [
        min(found, key=lambda name, m=m: np.nan_to_num(found[name]["js"][m], nan=9)) for m in (0, 1)
    ]
    assert nearest == ["chance", "eos_now"]
    assert found["chance"]["kl"][0] == pytest.approx(0, abs=1e-6)
    assert found["eos_now"]["kl"][1] == pytest.approx(-np.log(0.998), rel=1e-3)
    assert found["eos_now"]["kl"][0] == pytest.approx(np.log(3), rel=1e-5)


def test_a_gap_is_the_sum_over_tokens() -> None:
    rng = np.random.default_rng(0)
    p_NxV, q_MxNxV = rng.dirichlet(np.ones(4), 6), rng.dirichlet(np.ones(4), (3, 6))
    p_NxV[0] = [0, 0, 1, 0]
    with np.errstate(divide="ignore"):
        both = np.log(p_NxV), np.log(q_MxNxV)
    kl_M, js_M = kl_from(*both).mean(1), js_from(*both).mean(1)
    for m in range(3):
        kl = js = 0.0
        for n in range(6):
            for p, q in zip(p_NxV[n], q_MxNxV[m, n], strict=True):
                mean = (p + q) / 2
                kl += p * np.log(p / q) if p else 0
                js += (p * np.log(p / mean) if p else 0) / 2 + q * np.log(q / mean) / 2
        assert (kl_M[m], js_M[m]) == pytest.approx((kl / 6, js / 6))
    assert (js_M <= np.log(2)).all()


def test_a_restriction_is_compared_where_its_rule_can_hold() -> None:
    found = gaps_of(THIRDS)
    open_to = {rule: int(LANG.satisfiable(rule, OOD).sum()) for rule in ("R1", "R2")}
    for rule in ("R1", "R2"):
        assert found[f"noise_{rule}"]["at"].defined == open_to[rule]
    # R1 is open on most prompts, which are then those of all; R2 on hardly any.
    assert {near["at"].prompts for near in found.values()} == {open_to["R1"]}
    assert np.isfinite(found["noise_R1"]["js"]).all()
    assert np.isnan(found["noise_R2"]["js"]).all()
    assert np.isnan(found["noise_R2"]["kl"]).all()
    assert "truth" not in found


def test_in_distribution_the_truth_is_a_law_too() -> None:
    found = gaps_of(THIRDS, prompts=np.asarray(LANG.prompts("id").tokens))
    assert found["truth"]["js"][0] == pytest.approx(0, abs=1e-6)
    assert found["chance"]["js"][0] > 0.1
