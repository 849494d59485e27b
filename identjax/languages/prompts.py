"""Prompts: listed or drawn, in or out of distribution by what the truth gives them.

Axes: N prompt, P position (BOS included).
"""

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Mapping

import jax
import numpy as np

from identjax.errors import ConfigError
from identjax.languages.definition import Definition
from identjax.registry import Registry
from identjax.vocabulary import Tokens, Vocabulary

LISTED_UP_TO = 4096
CLASSIFIED_UP_TO = 65536
DEFAULT_DRAWS = 256

# Sets of prompts beside the published ones, by the name of the language: name of a set -> texts.
PROMPT_SETS: Registry[Callable[[Definition], Mapping[str, Iterable[str]]]] = Registry("prompt sets")


@dataclasses.dataclass(frozen=True, eq=False)
class Prompts:
    """Prompts with BOS first, and for each rule which of them break it beyond repair."""

    tokens: Tokens
    breaks: Mapping[str, np.ndarray]


def list_all(vocabulary: Vocabulary, length: int) -> Tokens:
    """List all strings of a length after BOS, in lexicographic order."""
    symbols = len(vocabulary.symbols)
    rows = np.array(list(itertools.product(range(symbols), repeat=length)), np.int32)
    rows = rows.reshape(symbols**length, length)
    return np.column_stack([np.full(len(rows), vocabulary.bos, np.int32), rows])


def vary(vocabulary: Vocabulary, drawn_NxT: Tokens, length: int, key: jax.Array) -> Tokens:
    """Give the distinct prefixes of strings, the same with one symbol changed, and as many uniform
    strings as were drawn.
    """
    rng = np.random.default_rng(np.asarray(jax.random.key_data(key)))
    symbols, drawn = len(vocabulary.symbols), drawn_NxT[:, : length + 1]
    prefixes = drawn[(drawn[:, 1:] < symbols).all(1)]
    changed = prefixes.copy()
    rows = np.arange(len(changed))
    changed[rows, rng.integers(1, length + 1, len(rows))] = rng.integers(symbols, size=len(rows))
    uniform = rng.integers(symbols, size=(len(drawn), length + 1), dtype=np.int32)
    uniform[:, 0] = vocabulary.bos
    return np.unique(np.concatenate([prefixes, changed, uniform]), axis=0).astype(np.int32)


def draw_evenly(found: Prompts, key: jax.Array, n: int) -> Prompts:
    """Draw up to n prompts, as evenly as there are over the sets of rules that they break."""
    if type(n) is not int or n < 1:
        raise ConfigError("n", n, "a whole number, at least 1")
    rng = np.random.default_rng(np.asarray(jax.random.key_data(key)))
    code = np.zeros(len(found.tokens), int)
    for values in found.breaks.values():
        code = 2 * code + values
    order = rng.permutation(len(code))
    turn = np.zeros(len(code), int)
    for stratum in np.unique(code):
        members = order[code[order] == stratum]
        turn[members] = np.arange(len(members))
    chosen = np.sort(order[np.argsort(turn[order], kind="stable")][:n])
    breaks = {name: values[chosen] for name, values in found.breaks.items()}
    return Prompts(found.tokens[chosen], breaks)


def encode_all(vocabulary: Vocabulary, texts: Iterable[str]) -> Tokens:
    """Encode texts of one length as prompts."""
    rows = [vocabulary.encode(text) for text in texts]
    return np.stack([np.append(np.int32(vocabulary.bos), row) for row in rows]).astype(np.int32)
