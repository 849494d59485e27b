"""Rates by prompt length and cut, against completions asked for one by one."""

import jax
import numpy as np
import pytest

from identjax import languages, models
from identjax.evaluation.completions import complete_members
from identjax.evaluation.measure import MEASURES, AtRung
from identjax.evaluation.measures.sensitivity import draw_some
from identjax.evaluation.prompting import Decoding
from identjax.evaluation.rates import judge_members
from identjax.evaluation.results import Truth
from identjax.languages.baselines import chance_rate
from identjax.models.model import Learner
from identjax.predictor import Predictor
from tests.planted import LANG, off_law, plant

IDS = ["m0", "m1"]


def learners(name: str, **options: object) -> Learner:
    model = models.make(name, vocabulary=LANG.vocabulary, max_length=LANG.max_length, **options)
    keys = jax.random.split(jax.random.key(3), len(IDS))
    stack = model.bind(jax.tree.map(np.asarray, jax.vmap(model.init)(keys)))
    assert isinstance(stack, Learner)
    return stack


def measured(stack: Predictor, **options: object) -> list[dict[str, object]]:
    truth = Truth("L3", LANG.max_length, "{}", tuple(IDS), ("mle",))
    prompts = {split: LANG.prompts(split).tokens for split in ("id", "ood", "bos")}
    at = AtRung(truth, prompts, "0.01", IDS, stack, [1, 1], 2, Decoding())
    return list(MEASURES["sensitivity"].function(at, **options)["sensitivity"])


def test_each_row_is_what_is_written_at_its_length_and_cut() -> None:
    stack = learners("lstm", hidden=8)
    rows = measured(stack, lengths=(6,), prompts=20)
    keys = [(row["split"], row["length"], row["cap"], row["rule"]) for row in rows]
    assert len(set(keys)) == len(keys) == (2 * 2 + 1) * 2 * 3
    prompts = draw_some(LANG, ("mle",), "ood", 6, 20)
    for cap in (12, 24):
        longer = stack.stretch(cap)
        assert longer is not None
        done = complete_members(longer, prompts)
        for rule in LANG.judged:
            own = LANG.satisfiable(rule, prompts)
            (row,) = (
                r
                for r in rows
                if (r["split"], r["length"]) == ("ood", 6) and (r["cap"], r["rule"]) == (cap, rule)
            )
            parts = prompts[own], done.tokens[:, own], done.finished[:, own]
            rates = judge_members(languages.make("L3", cap), rule, *parts)
            assert row["prompts"] == rates.prompts == own.sum()
            for name in ("rate", "finished", "rate_finished"):
                np.testing.assert_array_equal(row[name], getattr(rates, name))
            if own.any():
                assert row["chance"] == pytest.approx(chance_rate(LANG, rule, prompts[own]))


SMALL = {"layers": 1, "d_model": 8, "ff": 8}


@pytest.mark.parametrize(
    ("name", "options", "caps"),
    [
        ("transformer", {**SMALL, "positions": "learned"}, {12}),
        ("transformer", {**SMALL, "positions": "alibi"}, {12, 24}),
        ("linear", {}, {12}),
    ],
)
def test_weights_for_one_length_stay_there(
    name: str, options: dict[str, object], caps: set[int]
) -> None:
    rows = measured(learners(name, **options), lengths=(4,), prompts=4)
    assert {row["cap"] for row in rows} == caps
    assert {row["length"] for row in rows if row["split"] == "ood"} == {4, 8}


def test_lengths_beyond_the_strings_are_not_asked() -> None:
    """What is no model with weights has no longer form either."""
    rows = measured(plant([off_law(LANG, eos=1.0)] * 2), lengths=(4, 40))
    assert {row["cap"] for row in rows} == {12}
    assert {row["length"] for row in rows} == {0, 4, 8}
    (row,) = (r for r in rows if (r["split"], r["length"], r["rule"]) == ("ood", 4, "R1"))
    prompts = list(map(LANG.vocabulary.decode, draw_some(LANG, ("mle",), "ood", 4, 128)))
    ended = np.mean([text.count("a") == text.count("b") for text in prompts])
    np.testing.assert_allclose(row["rate"], ended)
