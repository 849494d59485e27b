"""Learners: parameters from a key, logits in parallel, and a cached step."""

from typing import Any

from identjax.errors import unknown_name
from identjax.models import families
from identjax.models.model import MODELS, Dropout, Learner, Model
from identjax.vocabulary import Vocabulary

__all__ = ["MODELS", "Dropout", "Learner", "Model", "families", "make"]


def make(
    name: str, *, vocabulary: Vocabulary, max_length: int, preset: str = "small", **options: Any
) -> Model:
    """Make the model of a registered name: a preset's options, with some replaced.

    >>> make("lstm", vocabulary=Vocabulary(("a", "b")), max_length=32, hidden=16).options()
    {'embedding': 16, 'hidden': 16, 'layers': 1}
    """
    family = MODELS[name]
    if preset not in family.presets:
        raise unknown_name("preset", preset, family.presets)
    if unknown := sorted(options.keys() - set(family.option_names())):
        raise unknown_name(f"{MODELS.canonical(name)} option", unknown[0], family.option_names())
    chosen = {**family.presets[preset], **options}
    return family(vocabulary=vocabulary, max_length=max_length, **chosen)
