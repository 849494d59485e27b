"""What the papers' languages imply: floors, published prompts, chance, and memory."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from identjax import languages
from identjax.languages import baselines
from identjax.predictor import complete
from tests.planted import log_prob_of

PAPERS = ("L1", "L2", "L3", "L4", "L5", "L6")


@pytest.mark.parametrize(
    ("name", "floor"), [("L1", 0.2734), ("L2", 0.03667), ("L3", 0.018879), ("L5", 0.017287)]
)
def test_loss_floor_per_padded_position(name: str, floor: float) -> None:
    digits = len(str(floor)) - 2
    assert round(languages.make(name, 256).entropy / 257, digits) == floor


def test_nested_brackets_are_short() -> None:
    lang = languages.make("L4", 256)
    assert lang.mean_targets - 1 == pytest.approx(66, abs=0.5)
    assert lang.length_probs[2] == pytest.approx(0.34, abs=0.005)
    assert lang.length_probs.sum() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("name", PAPERS)
def test_entropy_is_the_mean_surprise_of_draws(name: str) -> None:
    lang = languages.make(name, 64)
    tokens = np.asarray(lang.sample(jax.random.key(0), 2000))
    scores = np.asarray(lang.score(tokens), np.float64)
    log_p = np.take_along_axis(scores[:, :-1], tokens[:, 1:, None], -1)[..., 0].sum(1)
    error = max(log_p.std() / np.sqrt(len(log_p)), 1e-6)
    assert abs(-log_p.mean() - lang.entropy) < 4.5 * error


@pytest.mark.parametrize(
    ("name", "inside", "outside"),
    [("L1", 128, 128), ("L2", 8, 248), ("L3", 5, 251), ("L5", 4, 239)],
)
def test_the_derived_split(name: str, inside: int, outside: int) -> None:
    lang = languages.make(name, 256)
    assert len(lang.prompts("id").tokens) == inside
    assert len(lang.prompts("ood").tokens) == outside


@pytest.mark.parametrize("name", PAPERS)
def test_published_prompts_are_where_they_say(name: str) -> None:
    lang = languages.make(name, 256)
    inside, outside = lang.prompts("published_id"), lang.prompts("published_ood")
    assert lang.possible(inside.tokens).all()
    assert not lang.possible(outside.tokens).any()
    assert not inside.breaks["R2"].any()
    assert outside.breaks["R2"].mean() == pytest.approx(
        {"L3": 247 / 251, "L5": 222 / 239}.get(name, 1)
    )


@pytest.mark.parametrize(
    ("name", "split", "rule", "rate"),
    [
        ("L1", "ood", "R1", 0.5),
        ("L1", "ood", "R2c", 0.333),
        ("L2", "ood", "R1", 0.5),
        ("L2", "ood", "R2c", 0.25),
        ("L3", "ood", "R1", 0.154),
        ("L3", "ood", "R2c", 0.75),
        ("L4", "published_ood", "R1", 0.1459),
        ("L5", "ood", "R1", 0.0334),
        ("L6", "published_ood", "R1", 0.1459),
    ],
)
def test_chance(name: str, split: str, rule: str, rate: float) -> None:
    lang = languages.make(name, 256)
    prompts = lang.prompts(split).tokens
    kept = prompts[lang.satisfiable(rule, prompts)]
    assert baselines.chance_rate(lang, rule, kept) == pytest.approx(rate, abs=6e-4)


@pytest.mark.parametrize(("name", "rate"), [("L1", 0.5), ("L2", 0.5), ("L3", 69 / 251)])
def test_eos_now(name: str, rate: float) -> None:
    lang = languages.make(name, 32)
    prompts = lang.prompts("ood").tokens
    done = complete(baselines.eos_now(lang), prompts)
    assert np.asarray(done.finished).all()
    assert np.asarray(lang.judge("R1", done.tokens, 8)).mean() == pytest.approx(rate)


@pytest.mark.parametrize("name", ["L4", "L6"])
def test_scoring_stays_small(name: str) -> None:
    lang = languages.make(name, 256)
    tokens = jax.ShapeDtypeStruct((128, 258), np.int32)
    compiled = jax.jit(lambda one, rows: one.score(rows)).lower(lang, tokens).compile()
    memory = compiled.memory_analysis()
    assert memory.temp_size_in_bytes + memory.output_size_in_bytes < 2**30


@pytest.mark.parametrize(
    ("name", "options"),
    [("L4", {}), ("dyck", {}), ("dyck", {"kinds": 4}), ("L6", {}), ("copy", {})],
)
def test_long_draws_are_strings_of_their_length(name: str, options: dict) -> None:
    lang = languages.make(name, 160, **options)
    lengths = np.array([2, 66, 100, 158, 160] * 10)
    tokens = np.asarray(lang.by_length.sample(jax.random.key(0), jnp.asarray(lengths)))
    np.testing.assert_array_equal((tokens < lang.vocabulary.eos).sum(1), lengths)
    assert np.isfinite(np.asarray(log_prob_of(lang.score(tokens), tokens))).all()
    # The last symbol is told by one far before it: the one two further on is of another kind.
    rows, wrong = np.arange(len(lengths)), tokens.copy()
    shift = 1 if name == "copy" else 2
    wrong[rows, lengths] = (tokens[rows, lengths] + shift) % lang.vocabulary.eos
    assert (log_prob_of(lang.score(wrong), wrong) == -np.inf).all()


def test_only_a_few_bracket_prompts_can_still_keep_r1() -> None:
    lang = languages.make("L4", 256)
    every = np.array(np.unravel_index(np.arange(4**8), (4,) * 8)).T
    tokens = np.column_stack([np.full(len(every), lang.vocabulary.bos), every]).astype(np.int32)
    assert lang.satisfiable("R1", tokens).mean() == pytest.approx(0.37, abs=0.005)


def test_prompts_that_are_drawn_cover_what_they_break() -> None:
    lang = languages.make("L6", 64)
    drawn = lang.prompts("ood", n=90)
    pairs = np.column_stack([drawn.breaks["R1"], drawn.breaks["R2"]])
    kinds, counts = np.unique(pairs, axis=0, return_counts=True)
    assert len(kinds) == 3
    assert counts.tolist() == [30, 30, 30]
    again = lang.prompts("ood", n=90)
    np.testing.assert_array_equal(drawn.tokens, again.tokens)
    other = lang.prompts("ood", n=90, key=jax.random.key(5))
    assert (drawn.tokens != other.tokens).any()


def test_long_prompts_are_found_in_both_splits() -> None:
    lang = languages.make("L4", 64)
    inside, outside = lang.prompts("id", 20, n=40), lang.prompts("ood", 20, n=40)
    assert inside.tokens.shape == outside.tokens.shape == (40, 21)
    assert lang.possible(inside.tokens).all()
    assert not lang.possible(outside.tokens).any()


def test_conditionals_hold_out_at_length_2000() -> None:
    lang = languages.make("L2", 600)
    rows = np.asarray(lang.sample(jax.random.key(0), 4))
    scores = np.asarray(lang.score(rows))
    assert not np.isnan(scores).any()
    assert np.isfinite(lang.entropy)
    long = languages.make("L3", 2000)
    string = "a" * 1000 + "b" * 1000
    tokens = np.array([[3, *long.vocabulary.encode(string), 2]])
    tokens[0, 0] = long.vocabulary.bos
    law = np.asarray(long.score(tokens))[0]
    followed = np.take_along_axis(law[:-1], tokens[0, 1:, None], 1).sum()
    assert followed == pytest.approx(-np.log(1000), rel=1e-5)
