"""Prompts: listed or drawn, in or out of distribution by what the truth gives them.

Axes: N prompt, P position (BOS included).
"""

import dataclasses
import itertools
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import jax
import numpy as np

from identjax.errors import ConfigError, unknown_name
from identjax.keys import Purpose, key_for
from identjax.vocabulary import Tokens, Vocabulary

if TYPE_CHECKING:
    from identjax.languages.language import Language

LISTED_UP_TO = 4096
CLASSIFIED_UP_TO = 65536
DEFAULT_DRAWS = 256


@dataclasses.dataclass(frozen=True, eq=False)
class Prompts:
    """Prompts with BOS first, and for each rule which of them break it beyond repair."""

    tokens: Tokens
    breaks: Mapping[str, np.ndarray]


def find_prompts(
    lang: "Language", split: str, length: int | None, key: jax.Array | None, n: int | None
) -> Prompts:
    """Find the prompts of a split: id, ood, bos, or a published set by its name."""
    if split in lang.family.published:
        return describe(lang, encode_all(lang.vocabulary, lang.family.published[split]))
    if split == "bos":
        return describe(lang, np.full((1, 1), lang.vocabulary.bos, np.int32))
    if split not in ("id", "ood"):
        raise unknown_name("split", split, ["id", "ood", "bos", *lang.family.published])
    length = lang.prompt_length if length is None else length
    if type(length) is not int or not 0 <= length <= lang.max_length:
        raise ConfigError("length", length, f"0 to {lang.max_length} symbols, the maximum length")
    key = key_for(0, Purpose.PROMPTS) if key is None else key
    symbols = len(lang.vocabulary.symbols)
    if symbols**length <= CLASSIFIED_UP_TO:
        candidates = list_all(lang.vocabulary, length)
    else:
        candidates = propose(lang, length, key, 16 * (n or DEFAULT_DRAWS))
    found = describe(lang, candidates[lang.possible(candidates) == (split == "id")])
    if n is None and symbols**length <= LISTED_UP_TO:
        return found
    return draw_evenly(found, key, n or DEFAULT_DRAWS)


def describe(lang: "Language", tokens_NxP: Tokens) -> Prompts:
    """Find which rules each prompt breaks beyond repair."""
    if not len(tokens_NxP):
        return Prompts(tokens_NxP, {name: np.zeros(0, bool) for name in lang.family.rules})
    names = lang.family.rules
    return Prompts(tokens_NxP, {name: ~lang.satisfiable(name, tokens_NxP) for name in names})


def list_all(vocabulary: Vocabulary, length: int) -> Tokens:
    """List all strings of a length after BOS, in lexicographic order."""
    symbols = len(vocabulary.symbols)
    rows = np.array(list(itertools.product(range(symbols), repeat=length)), np.int32)
    rows = rows.reshape(symbols**length, length)
    return np.column_stack([np.full(len(rows), vocabulary.bos, np.int32), rows])


def propose(lang: "Language", length: int, key: jax.Array, n: int) -> Tokens:
    """Draw distinct prefixes of strings, the same with one symbol changed, and uniform strings."""
    rng = np.random.default_rng(np.asarray(jax.random.key_data(key)))
    symbols = len(lang.vocabulary.symbols)
    drawn = np.asarray(lang.sample(key, n))[:, : length + 1]
    prefixes = drawn[(drawn[:, 1:] < symbols).all(1)]
    changed = prefixes.copy()
    rows = np.arange(len(changed))
    changed[rows, rng.integers(1, length + 1, len(rows))] = rng.integers(symbols, size=len(rows))
    uniform = rng.integers(symbols, size=(n, length + 1), dtype=np.int32)
    uniform[:, 0] = lang.vocabulary.bos
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
