"""Every language and every architecture goes through evaluation and gives tables that hold."""

import jax
import numpy as np
import pytest

from identjax import languages, models
from identjax.errors import ConfigError
from identjax.evaluation.behaviour import (
    SPLITS,
    Decoding,
    make_prompts,
    measure_baselines,
    measure_behaviour,
    measure_dynamics,
    measure_likelihood,
)
from identjax.evaluation.pairs import gather_laws, measure_pairs
from identjax.languages.baselines import uniform
from identjax.languages.language import LANGUAGES
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


def check(language, name):
    stack = stack_of(language, name)
    prompts = make_prompts(language, SPLITS, Decoding())
    prompts = {split: tokens[:12] for split, tokens in prompts.items()}
    names = {"language": language.name, "max_length": language.max_length, "language_options": ""}
    near = measure_likelihood(language, stack, IDS, "final", [0, 0])
    kl, stderr = near["kl_nats"].to_numpy(), near["kl_stderr"].to_numpy()
    assert (kl + 5 * stderr >= -1e-5).all()
    assert near["kl_nats"].null_count == 0
    found = measure_behaviour(language, stack, IDS, "final", prompts, Decoding())
    rules = found["rules"].to_pylist()
    assert len(rules) == 2 * len(prompts) * len(language.judged)
    for row in rules:
        assert row["prompts"] + row["unsatisfiable"] == len(prompts[row["split"]])
        assert row["rate"] is None if row["prompts"] == 0 else 0 <= row["rate"] <= row["finished"]
    for row in measure_baselines(language, names, prompts).to_pylist():
        assert (row["rate"] is None) <= bool(row["reason"] or not row["prompts"])
    stacks = {"g": (IDS, stack)}
    both = {split: tokens for split, tokens in prompts.items() if split != "bos"}
    laws = gather_laws(stacks, both)
    pairs = measure_pairs(language, language.name, "final", stacks, laws, **found)
    values = pairs["value"].to_numpy()
    assert (values >= 0).all()
    assert np.isfinite(values).all()
    if name == "uniform":
        assert values.max() < 1e-6
    masses = measure_dynamics(language, stack, IDS, "@1", [1, 1])
    if masses.num_rows:
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
