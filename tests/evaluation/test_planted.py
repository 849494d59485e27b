"""Evaluation gives the known values on planted members, whatever the pieces it works in."""

import jax
import numpy as np
import pytest

from identjax import languages
from identjax.evaluation.completions import complete_members
from identjax.evaluation.likelihood import laws_after, laws_along, measure_kl
from identjax.evaluation.rates import judge_members
from identjax.predictor import complete_stack, kl
from identjax.stacks import map_members
from tests.planted import LANG, off_law, plant

EOS, SAY_A = off_law(LANG, eos=1), off_law(LANG, a=0.8, b=0.1, eos=0.1)
SPLIT = off_law(LANG, a=0.25, b=0.25, eos=0.5)


def test_members_that_follow_the_truth_have_no_excess():
    found = measure_kl(LANG, plant([EOS, SAY_A]))
    np.testing.assert_allclose(found.kl_nats, 0, atol=1e-6)
    np.testing.assert_array_equal(found.kl_stderr, 0)


def test_excess_of_a_mixture_is_the_known_sum():
    tilt = 0.3
    found = measure_kl(LANG, plant([SPLIT], [tilt]))
    tokens, log_w = LANG.support()
    p = np.exp(np.asarray(LANG.score(tokens), np.float64))
    q = (1 - tilt) * p + tilt * np.exp(SPLIT)
    ended = np.cumsum(tokens == LANG.vocabulary.eos, 1) > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(p > 0, p * np.log(p / q), 0).sum(-1)
    wanted = (np.exp(log_w) * np.where(ended, 0, terms).sum(1)).sum()
    assert found.kl_nats[0] == pytest.approx(wanted, rel=1e-5)


def test_a_member_that_rules_out_what_the_truth_does_is_infinitely_far():
    assert measure_kl(LANG, plant([EOS], [1.0])).kl_nats[0] == np.inf


def test_excess_on_draws_agrees_with_the_exact_one_within_its_error():
    lang = languages.make("L1", 24)
    law = np.log(np.array([0.3, 0.3, 0.4, 0, 0, 0][: lang.vocabulary.size], np.float32) + 1e-30)
    law = np.where(np.arange(lang.vocabulary.size) <= lang.vocabulary.eos, law, -np.inf)
    stack = plant([law, law], [0.1, 0.0], lang)
    found = measure_kl(lang, stack, n=512)
    other = measure_kl(lang, stack, n=512, seed=1)
    assert found.kl_stderr[0] > 0
    assert abs(found.kl_nats[0] - other.kl_nats[0]) < 5 * found.kl_stderr[0]
    np.testing.assert_allclose(found.kl_nats[1], 0, atol=1e-5)


def test_excess_agrees_with_kl_of_one_member():
    stack = plant([SPLIT, SAY_A], [0.2, 0.4])
    found = measure_kl(LANG, stack)
    tokens, log_w = LANG.support()
    for row in range(2):
        one = jax.tree.map(lambda leaf, row=row: leaf[row], stack)
        exact = kl(LANG, one, tokens, np.asarray(log_w, np.float32)).value
        assert found.kl_nats[row] == pytest.approx(float(exact), rel=1e-5)


def test_rates_of_those_who_end_at_once():
    prompts = LANG.prompts("ood").tokens
    done = complete_members(plant([EOS, SAY_A]), prompts)
    rates = judge_members(LANG, "R1", prompts, *done)
    symbols = prompts[:, 1:]
    equal = (symbols == 0).sum(1) == (symbols == 1).sum(1)
    can = np.asarray(LANG.satisfiable("R1", prompts))
    assert rates.prompts + rates.unsatisfiable == len(prompts)
    assert rates.rate[0] == pytest.approx((equal & can).sum() / can.sum())
    assert rates.finished[0] == 1
    # The other says "a" until there is no room: it never ends, so it keeps nothing.
    assert (rates.rate[1], rates.finished[1]) == (0, 0)
    assert np.isnan(rates.rate_finished[1])


def test_on_the_support_all_rules_are_kept():
    prompts = LANG.prompts("id").tokens
    done = complete_members(plant([EOS, SAY_A]), prompts)
    for rule in LANG.judged:
        rates = judge_members(LANG, rule, prompts, *done)
        np.testing.assert_array_equal(rates.rate, 1)


def test_a_rule_that_cannot_hold_has_no_rate():
    eos, b = LANG.vocabulary.eos, LANG.vocabulary.encode("b")[0]
    prompts = np.array([[LANG.vocabulary.bos, b, *LANG.vocabulary.encode("a")]], np.int32)
    tokens = np.array([[[*prompts[0], eos]]], np.int32)
    rates = judge_members(LANG, "R2", prompts, tokens, np.array([[True]]))
    assert (rates.prompts, rates.unsatisfiable) == (0, 1)
    assert np.isnan(rates.rate[0])


def test_an_unfinished_completion_fails_even_where_the_rule_holds():
    vocabulary = LANG.vocabulary
    prompts = np.array([[vocabulary.bos, *vocabulary.encode("ab")]], np.int32)
    tokens = np.array([[[*prompts[0], vocabulary.eos]], [[*prompts[0], vocabulary.pad]]], np.int32)
    rates = judge_members(LANG, "R1", prompts, tokens, np.array([[True], [False]]))
    np.testing.assert_array_equal(rates.rate, [1, 0])
    np.testing.assert_array_equal(rates.rate_finished, [1, np.nan])


def test_sampling_gives_all_members_the_same_luck():
    prompts = LANG.prompts("ood").tokens[:40]
    done = complete_members(plant([SPLIT, SPLIT, SAY_A]), prompts, seed=3)
    again = complete_members(plant([SPLIT, SPLIT, SAY_A]), prompts, seed=3)
    other = complete_members(plant([SPLIT, SPLIT, SAY_A]), prompts, seed=4)
    np.testing.assert_array_equal(done.tokens[0], done.tokens[1])
    np.testing.assert_array_equal(done.tokens, again.tokens)
    assert (done.tokens[0] != done.tokens[2]).any()
    assert (done.tokens != other.tokens).any()


def score_ends(stack, prompts):
    return jax.vmap(lambda member: member.score(prompts)[:, -1])(stack)


def test_pieces_do_not_show():
    laws = [SPLIT, EOS, SAY_A, SPLIT, SAY_A]
    prompts = LANG.prompts("ood").tokens[:16]
    whole = complete_members(plant(laws), prompts), laws_after(plant(laws), prompts)
    tokens, finished, *_ = map_members(complete_stack, plant(laws), prompts, member_bytes=1e18)
    np.testing.assert_array_equal(whole[0].tokens, tokens)
    np.testing.assert_array_equal(whole[0].finished, finished)
    ends = map_members(score_ends, plant(laws), prompts, member_bytes=1e18)
    np.testing.assert_array_equal(whole[1], ends)
    assert len(tokens) == len(laws)


def test_laws_are_those_of_the_members():
    prompts = LANG.prompts("ood").tokens[:5]
    stack = plant([SPLIT, SAY_A])
    after, along = laws_after(stack, prompts), laws_along(stack, prompts)
    assert along.shape == (2, *prompts.shape, LANG.vocabulary.size)
    np.testing.assert_array_equal(after, along[:, :, -1])
    np.testing.assert_allclose(after[0], np.broadcast_to(SPLIT, after[0].shape), atol=1e-6)
