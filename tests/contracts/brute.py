"""Brute force over all strings up to a small length, for any registered language."""

import functools
import itertools
from typing import NamedTuple

import jax
import numpy as np
import pytest

from identjax import languages
from identjax.languages.law.graph import frame
from tests.planted import log_prob_of

# Options that make a language small; without an entry, defaults at the length that fits.
OPTIONS: dict[str, dict] = {
    "dyck": {"max_length": 6},
    "union": {"max_length": 6},
    "pcfg": {"max_length": 7},
    "random_dfa": {"letters": 3, "states": 5},
    "regbench": {
        "max_length": 5,
        "letters": 3,
        "states": 4,
        "pool": 3,
        "fewest": 1,
        "most_strings": 2,
    },
    "ginc": {"max_length": 4, "words": 5},
    "hmm": {"max_length": 5, "letters": 3, "hidden": 3},
}
NAMES = list(languages.LANGUAGES)
MOST_STRINGS = 100_000
BLOCK = 1024


class Truth(NamedTuple):
    """Brute force: all strings with their probabilities, and the mass of every prefix."""

    lang: languages.Language
    tokens: np.ndarray
    log_p: np.ndarray
    scores: np.ndarray
    mass: dict[tuple[int, ...], float]
    ends: dict[tuple[int, ...], float]


@functools.cache
def brute(name: str) -> Truth:
    lang = make_small(name)
    symbols, length = len(lang.vocabulary.symbols), lang.max_length
    rows = [
        frame(lang.vocabulary, np.array(list(itertools.product(range(symbols), repeat=k))), length)
        for k in range(1, length + 1)
    ]
    tokens = np.concatenate([frame(lang.vocabulary, np.zeros((1, 0), int), length), *rows])
    scores = score_all(lang, tokens)
    log_p = np.asarray(log_prob_of(scores.astype(np.float64), tokens))
    mass: dict[tuple[int, ...], float] = {}
    ends: dict[tuple[int, ...], float] = {}
    for row, p in zip(tokens, np.exp(log_p), strict=True):
        string = tuple(int(t) for t in row[1:] if t < symbols)
        ends[string] = float(p)
        if p > 0:
            for i in range(len(string) + 1):
                mass[string[:i]] = mass.get(string[:i], 0.0) + float(p)
    return Truth(lang, tokens, log_p, scores, mass, ends)


def score_all(lang: languages.Language, tokens: np.ndarray) -> np.ndarray:
    """Score in blocks of one shape, so that one is compiled."""
    fill = -len(tokens) % BLOCK
    padded = np.concatenate([tokens, np.repeat(tokens[-1:], fill, 0)])
    blocks = padded.reshape(-1, BLOCK, tokens.shape[1])
    return np.concatenate([np.asarray(lang.score(block)) for block in blocks])[: len(tokens)]


def draw(lang: languages.Language, seed: int) -> np.ndarray:
    return np.asarray(lang.sample(jax.random.key(seed), BLOCK))


@functools.cache
def make_small(name: str) -> languages.Language:
    options = dict(OPTIONS.get(name, {}))
    length = options.pop("max_length", None)
    if length is not None:
        return languages.make(name, length, **options)
    symbols = len(languages.make(name, 8, **options).vocabulary.symbols)
    length = max(n for n in range(1, 9) if sum(symbols**k for k in range(n + 1)) <= MOST_STRINGS)
    return languages.make(name, length, **options)


def prefixes_of(truth: Truth, longest: int) -> list[tuple[int, ...]]:
    return [string for string in truth.ends if len(string) <= longest]


def as_prompts(lang: languages.Language, strings: list[tuple[int, ...]]) -> np.ndarray:
    return np.array([(lang.vocabulary.bos, *string) for string in strings], np.int32)


every = pytest.mark.parametrize("name", NAMES)
