"""Every language and every architecture goes through evaluation and gives tables that hold."""

import jax
import numpy as np
import pytest

from identjax import languages, models
from identjax.errors import ConfigError
from identjax.evaluation.evaluate import lay_out
from identjax.evaluation.measure import MEASURES, AtPairs, AtRung, AtTruth
from identjax.evaluation.prompting import SPLITS, Decoding, draw_prompts
from identjax.evaluation.results import Truth
from identjax.languages.baselines import uniform
from identjax.languages.definition import LANGUAGES
from identjax.models.model import MODELS

QUICK = ("L1", "L4")  # a sampled one and one with a large alphabet; the rest take minutes
IDS = ["m0", "m1"]


def stack_of(language, name):
    """Give two members: untrained ones of an architecture, or the uniform law twice."""
    if name == "uniform":
        two = [uniform(language)] * 2
        return jax.tree.map(lambda *leaves: np.stack([np.asarray(leaf) for leaf in leaves]), *two)
    model = models.make(name, vocabulary=language.vocabulary, max_length=language.max_length)
    keys = jax.random.split(jax.random.key(0), 2)
    return model.bind(jax.tree.map(np.asarray, jax.vmap(model.init)(keys)))


def call(name, at):
    """Give the rows of each table of a measure, as the driver lays them out."""
    one = MEASURES[name]
    names = {**at.truth.names, "rung": "final", "member_id": IDS}
    found = one.function(at)
    return {table: lay_out(one, table, found[table], names) for table in one.tables}


def check(language, name):
    stack, truth = stack_of(language, name), Truth(language.name, language.max_length, "{}", (), ())
    vars(truth)["language"] = language
    prompts = {split: draw_prompts(language, split, Decoding())[:12] for split in SPLITS}
    prompts = {split: tokens for split, tokens in prompts.items() if len(tokens)}
    at = AtRung(truth, prompts, "final", IDS, stack, [0, 0], 2, Decoding())
    near = call("likelihood", at)["likelihood"]
    kl, stderr = near["kl_nats"].to_numpy(), near["kl_stderr"].to_numpy()
    assert (kl + 5 * stderr >= -1e-5).all()
    assert near["kl_nats"].null_count == 0
    found = call("behaviour", at)
    rules = found["rules"].to_pylist()
    assert len(rules) == 2 * len(prompts) * len(language.judged)
    for row in rules:
        assert row["prompts"] + row["unsatisfiable"] == len(prompts[row["split"]])
        assert row["rate"] is None if row["prompts"] == 0 else 0 <= row["rate"] <= row["finished"]
    for row in call("baselines", AtTruth(truth, prompts))["baselines"].to_pylist():
        assert (row["rate"] is None) <= bool(row["reason"] or not row["prompts"])
    both = {split: tokens for split, tokens in prompts.items() if split != "bos"}
    pairs = AtPairs(
        truth, both, "final", {"g": (IDS, stack)}, {"g": len(IDS)}, [], found.__getitem__
    )
    values = call("pairwise", pairs)["pairwise"]["value"].to_numpy()
    assert (values >= 0).all()
    assert np.isfinite(values).all()
    if name == "uniform":
        assert values.max() < 1e-6
    if MEASURES["dynamics"].applies(language):
        masses = call("dynamics", at)["dynamics"]
        assert masses["mass"].to_numpy().sum() == pytest.approx(2, abs=1e-4)


@pytest.mark.parametrize("name", QUICK)
def test_some_languages(name):
    check(languages.make(name, 12), "uniform")


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(LANGUAGES) - set(QUICK)))
def test_every_language(name):
    try:
        language = languages.make(name, 12)
    except ConfigError:
        language = languages.make(name, 40)
    check(language, "uniform")


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(MODELS))
def test_every_architecture(name):
    check(languages.make("L3", 10), name)
