"""Languages: what drawing a batch costs beside a step, and how fast and small scoring is."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from identjax import languages
from identjax.errors import ConfigError
from identjax.keys import Purpose, key_for
from identjax.languages.language import Language
from identjax.training.member import Member, resolve
from identjax.training.step import hyper_of, make_trainer
from launch.benchmarks.suites.options import Options
from launch.benchmarks.suites.train import SMALL
from launch.benchmarks.timing import Case, Contest, Spread, compete, ratio

PAPERS = ("L1", "L2", "L3", "L4", "L5", "L6")
MOST_SHARE, MOST_BYTES = 0.05, float(2**30)
QUICKSTART = {"d_model": 32, "heads": 4, "ff": 128, "layers": 2}
SMALL_MEMORY = ("L4", "L6")


def measure(options: Options) -> list[Contest]:
    """Draw at both lengths; score at the papers' length."""
    names = options.choose(languages.LANGUAGES, options.effort.pick(PAPERS, ("L4",)))
    lengths = options.effort.pick((32, 256), (8,))
    drawn = [draw_batches(options, name, length) for length in lengths for name in names]
    return [*drawn, *(score_strings(options, name, lengths[-1]) for name in names)]


def draw_batches(options: Options, name: str, length: int) -> Contest:
    """Time a step of one member, the drawing of its batch, and of as many independent strings."""
    model = options.effort.pick(QUICKSTART, SMALL)
    member = make_member(name, length, options.effort.pick(128, 8), model)
    trainer, shared = make_trainer(member)
    state = jax.jit(trainer.init)(hyper_of(member))
    update, draw = jax.jit(trainer.update), jax.jit(lambda batches, key: batches.draw(key))
    key, language = key_for(0, Purpose.DATA, 0), shared.language
    cases = [
        Case("training step", lambda: update(state, shared), 1, {"batching": member.batching}),
        Case("its batch", lambda: draw(shared.batches, key), 1),
        Case("independent strings", lambda: language.sample(key, member.batch), 1),
    ]
    title = f"drawing {member.batch} strings of {name}, max length {length}"
    contest = compete(title, "batch", cases, options.effort)
    contest.claim("share of a step", contest.ratio("its batch"), MOST_SHARE, at_most=True)
    options.tell(contest)
    return contest


def make_member(name: str, length: int, batch: int, model: Mapping[str, int]) -> Member:
    """Give a Transformer whose batch is drawn, even where the support is small."""
    language = languages.make(name, length)
    try:
        _ = language.by_length
        batching = "stratified"
    except ConfigError:
        batching = "iid"
    return resolve(
        {
            "language": name,
            "max_length": length,
            "architecture": "transformer",
            "model": model,
            "batch": batch,
            "batching": batching,
        }
    )


def score_strings(options: Options, name: str, length: int) -> Contest:
    """Score drawn strings, beside a copy of the answer; no less than that must be moved."""
    language = languages.make(name, length)
    count = options.effort.pick(1024, 8)
    tokens = language.sample(key_for(0, Purpose.EVALUATE), count)
    moved = 4.0 * tokens.size * (1 + language.vocabulary.size)
    answer, copy = language.score(tokens), jax.jit(lambda x: x + 1)
    cases = [
        Case("copy of the answer", lambda: copy(answer), moved),
        Case("score", lambda: language.score(tokens), moved, {"least_bytes": moved}),
    ]
    title = f"scoring {count} strings of {name}, max length {length}"
    contest = compete(title, "byte", cases, options.effort)
    copied = options.ceiling.seconds["copy"]
    contest.facts["bytes_per_second"] = 1 / contest.seconds["score"].median
    contest.facts["share_of_the_copy"] = ratio(copied, contest.seconds["score"])
    if name in SMALL_MEMORY:
        planned = Spread((plan_bytes(language, options.effort.pick(128, 8)),))
        contest.claim("bytes to score 128 strings at once", planned, MOST_BYTES, at_most=True)
    options.tell(contest)
    return contest


def plan_bytes(language: Language, strings: int) -> float:
    """Give the memory that XLA plans for scoring so many strings: all there is at one time."""
    tokens = jnp.asarray(np.asarray(language.sample(key_for(0, Purpose.EVALUATE), strings)))
    found: Any = jax.jit(_score).lower(language.core, tokens).compile().memory_analysis()
    parts = ("argument_size_in_bytes", "output_size_in_bytes", "temp_size_in_bytes")
    return float(sum(getattr(found, part) for part in parts))


def _score(core: Any, tokens_NxT: jax.Array) -> jax.Array:
    return core.score(tokens_NxT)
