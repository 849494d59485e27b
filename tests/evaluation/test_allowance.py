"""What the loss allows is a theorem: no member and no pair is beyond it."""

from typing import Any

import jax
import numpy as np
import pyarrow as pa
import pytest

from identjax import languages, models
from identjax.evaluation.evaluate import lay_out
from identjax.evaluation.laws_at import kl_from, laws_at
from identjax.evaluation.measure import MEASURES, AtPairs
from identjax.evaluation.measures.allowance import list_contexts, measure_allowance
from identjax.evaluation.results import Truth
from identjax.languages import Language
from identjax.languages.contexts import Contexts
from identjax.predictor import Predictor
from tests.planted import LANG, off_law, plant

EOS, SAY_A = off_law(LANG, eos=1.0), off_law(LANG, a=1.0)


def place(
    stack: Predictor, language: Language, rung: str = "final", splits: tuple[str, ...] = ("id",)
) -> AtPairs:
    ids = [f"m{k}" for k in range(jax.tree.leaves(stack)[0].shape[0])]
    truth = Truth(language.name, language.max_length, "{}", (), ())
    vars(truth)["language"] = language
    prompts = {split: np.asarray(language.prompts(split).tokens) for split in splits}
    members = [{"role": "report"} for _ in ids]
    stacks, sizes = {"g": (ids, stack)}, {"g": len(ids)}
    return AtPairs(truth, prompts, rung, stacks, sizes, members, lambda name: pa.table({}))


def rows_of(at: AtPairs, **values: Any) -> list[dict[str, Any]]:
    one = MEASURES["allowance"]
    found = lay_out(
        one, "allowance", measure_allowance(at)["allowance"], at.truth.names | {"rung": at.rung}
    )
    return [row for row in found.to_pylist() if all(row[k] == v for k, v in values.items())]


def learners(language: Language) -> Predictor:
    """Untrained members from nearly uniform to very sure of themselves."""
    model = models.make(
        "lstm", vocabulary=language.vocabulary, max_length=language.max_length, hidden=8
    )
    drawn = jax.vmap(model.init)(jax.random.split(jax.random.key(1), 6))
    scales = np.array([1, 2, 4, 8, 16, 32], np.float32)
    return model.bind(
        jax.tree.map(lambda x: np.asarray(x) * scales.reshape(-1, *[1] * (x.ndim - 1)), drawn)
    )


@pytest.mark.parametrize("name", ["L3", "smoothed"])
def test_no_member_and_no_pair_is_beyond_the_bound(name: str) -> None:
    language = languages.make(name, 8)
    contexts = Contexts.of(language)
    log_q = laws_at(learners(language), contexts)
    kl = kl_from(contexts.log_law, log_q)
    whole = kl @ contexts.p
    assert (kl <= whole[:, None] / contexts.p * (1 + 1e-9)).all()
    q = np.exp(log_q.astype(np.float64))
    for a in range(len(q)):
        for b in range(a):
            tv = np.abs(q[a] - q[b]).sum(1) / 2
            epsilon = max(whole[a], whole[b])
            assert (tv <= np.minimum(1, np.sqrt(2 * epsilon / contexts.p)) + 1e-9).all()


@pytest.mark.parametrize("name", ["L3", "smoothed"])
def test_the_table_is_within_its_own_bound(name: str) -> None:
    language = languages.make(name, 8)
    near = plant([SAY_A, EOS, SAY_A], [0.0, 0.001, 0.01], language)
    for stack in (learners(language), near):
        rows = rows_of(place(stack, language))
        assert {row["kind"] for row in rows} == {"members", "pairs"}
        for row in rows:
            assert row["largest"] <= row["envelope"] * (1 + 1e-6) + 1e-7
            assert row["median"] <= row["largest"]
        used = [row["used"] for row in rows if row["kind"] == "members"]
        assert 0 < max(used) <= 1 + 1e-6


def test_the_bound_is_by_epsilon_where_that_is_larger() -> None:
    stack = plant([SAY_A, EOS], [0.001, 0.001])
    at_epsilon, at_end = (
        rows_of(place(stack, LANG, rung), kind="members") for rung in ("0.5", "final")
    )
    start, end = at_epsilon[0], at_end[0]
    assert (start["context"], start["neg_log_p"], start["envelope"]) == ("", 0, 0.5)
    assert 0 < end["envelope"] < 0.5
    assert at_epsilon[-1]["envelope"] == pytest.approx(0.5 * np.exp(at_epsilon[-1]["neg_log_p"]))


def test_on_impossible_prompts_there_are_pairs_alone_and_nothing_is_forbidden() -> None:
    at = place(plant([SAY_A, EOS, EOS]), LANG, "0.1", ("id", "ood"))
    rows = rows_of(at, split="ood")
    assert len(rows) == 256 - 3
    assert {row["kind"] for row in rows} == {"pairs"}
    assert {(row["neg_log_p"], row["envelope"], row["n"]) for row in rows} == {(np.inf, 1.0, 3)}
    assert {(row["median"], row["largest"]) for row in rows} == {(1.0, 1.0)}
    possible = rows_of(at, split="id", kind="pairs")
    assert len(possible) == 28
    assert max(row["largest"] for row in possible) < 1e-6


def test_members_that_select_something_do_not_count() -> None:
    at = place(plant([SAY_A, EOS, EOS]), LANG)
    at.members[0]["role"] = "select"  # type: ignore[index]
    assert {row["n"] for row in rows_of(at, kind="members")} == {2}
    at.members[1]["role"] = "select"  # type: ignore[index]
    assert rows_of(at) == []


def test_the_likeliest_contexts_are_listed_and_some_of_the_others() -> None:
    contexts = Contexts.of(languages.make("smoothed", 8))
    listed = list_contexts(contexts, 64)
    assert len(set(listed.tolist())) == 64
    p = np.sort(contexts.p)[::-1]
    assert (contexts.p[listed] >= p[31]).sum() >= 32
    assert contexts.p[listed].min() == p[-1]
    assert list_contexts(contexts, 10_000).tolist() == list(range(len(contexts)))
