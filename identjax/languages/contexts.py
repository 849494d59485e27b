"""Contexts: every prefix that a truth can produce, how probable it is, and what may follow it.

Whatever is asked of a member where the truth speaks is a sum over this table: Σ_s p(s) f(s).
Axes: N row, T position, S context, V vocabulary.
"""

import dataclasses
import functools
from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from identjax.keys import Purpose, key_for
from identjax.languages.language import Language
from identjax.vocabulary import Tokens, Vocabulary

LISTED_UP_TO = 4096
# Where the strings are too many to be listed, so many positions of drawn ones are looked at.
POSITIONS = 16384
Indices = npt.NDArray[np.int64]
Reals = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True, eq=False)
class Contexts:
    """The prefixes s with which a string can begin, the empty one and whole strings included.

    Context s is `tokens[row[s], : position[s] + 1]`, BOS first and EOS never; `parent[s]` is the
    one that is a token shorter (−1: none). A string begins with it with probability
    exp(log_p[s]), and `log_law[s]` is the truth's log p(next token | s), [S, V].

    Σ_s weight[s] f(s) stands for Σ_s p(s) f(s). Where all contexts are there it is just that
    (`exact`; weight is p). Otherwise they are those of drawn strings, weight is the share of
    the draws that begin with s, and the sum has no bias. p and the law are exact in both.

    >>> from identjax import languages
    >>> found = Contexts.of(languages.make("L3", max_length=4))
    >>> found.texts(range(6)), found.p.tolist()
    (['', 'a', 'aa', 'ab', 'aab', 'aabb'], [1.0, 1.0, 0.5, 0.5, 0.5, 0.5])
    """

    vocabulary: Vocabulary
    tokens: Tokens
    row: Indices
    position: Indices
    parent: Indices
    log_p: Reals
    log_law: Reals
    weight: Reals
    exact: bool

    @classmethod
    def of(cls, language: Language) -> "Contexts":
        """List the contexts of a language, or those of strings drawn from it; kept for later."""
        return _tabulate(language)

    def __len__(self) -> int:
        return len(self.row)

    @property
    def p(self) -> Reals:
        """The probability that a string begins with each context, [S]."""
        return np.exp(self.log_p)

    @functools.cached_property
    def levels(self) -> list[Indices]:
        """The contexts of each length, short ones first: a parent comes before its children."""
        ends = np.cumsum(np.bincount(self.position))[:-1]
        return list(np.split(np.arange(len(self.position)), ends))

    @functools.cached_property
    def following(self) -> Indices:
        """The context that each token leads to, −1 where to none that is here, [S, V]."""
        found = np.full(self.log_law.shape, -1)
        found[self.parent[1:], self.token[1:]] = np.arange(1, len(self))
        return found

    @property
    def token(self) -> Indices:
        """The last token of each context, BOS of the empty one, [S]."""
        return self.tokens[self.row, self.position].astype(np.int64)

    def at(self, along: np.ndarray) -> np.ndarray:
        """Take what stands at the contexts from what stands along the rows: […, N, T, V] to
        […, S, V].
        """
        return along[..., self.row, self.position, :]

    def prompts(self, chosen: Sequence[int] | np.ndarray) -> tuple[Tokens, Indices]:
        """Give contexts as rows of one width, PAD behind them, and how many tokens each has."""
        lengths = self.position[chosen] + 1
        beyond = np.arange(self.tokens.shape[1]) >= lengths[:, None]
        return np.where(beyond, self.vocabulary.pad, self.tokens[self.row[chosen]]), lengths

    def texts(self, chosen: Sequence[int] | np.ndarray) -> list[str]:
        """Give contexts as text."""
        return [self.vocabulary.decode(row) for row in self.prompts(chosen)[0]]


class _Trie(NamedTuple):
    """The distinct prefixes of strings: which is at each position (−1: none) and their parents."""

    node_NxT: Indices
    parent: Indices


@functools.lru_cache(maxsize=16)
def _tabulate(language: Language) -> Contexts:
    found = language.support(LISTED_UP_TO)
    if found is None:
        return _draw(language)
    # Longest first, so that few rows hold all contexts.
    order = np.arange(len(found[0]))[::-1]
    tokens_NxT, log_p_N = np.asarray(found[0], np.int32)[order], np.asarray(found[1])[order]
    trie = _find_prefixes(tokens_NxT, language.vocabulary)
    row, position = _first_places(trie)
    p = _add_up(trie, np.exp(log_p_N))
    log_p = np.minimum(np.log(p), 0)
    log_law = np.full((len(p), language.vocabulary.size), -np.inf)
    later = trie.parent >= 0
    own = trie.parent[later]
    log_law[own, tokens_NxT[row, position][later]] = log_p[later] - log_p[own]
    last_N = trie.node_NxT.max(1)
    log_law[last_N, language.vocabulary.eos] = log_p_N - log_p[last_N]
    kept, row = np.unique(row, return_inverse=True)
    rest = trie.parent, log_p, log_law, p, True
    return Contexts(language.vocabulary, tokens_NxT[kept], row, position, *rest)


def _draw(language: Language) -> Contexts:
    n = max(1, POSITIONS // (language.max_length + 2))
    tokens_NxT = np.asarray(language.sample(key_for(0, Purpose.EVALUATE), n), np.int32)
    trie = _find_prefixes(tokens_NxT, language.vocabulary)
    row, position = _first_places(trie)
    log_law = np.asarray(language.score(jnp.asarray(tokens_NxT)), np.float64)[row, position]
    log_p = np.zeros(len(row))
    step = log_law[trie.parent, tokens_NxT[row, position]]
    for s in range(1, len(row)):  # a parent comes before its children
        log_p[s] = log_p[trie.parent[s]] + step[s]
    weight = _add_up(trie, np.full(n, 1 / n))
    rest = trie.parent, log_p, log_law, weight, False
    return Contexts(language.vocabulary, tokens_NxT, row, position, *rest)


def _find_prefixes(tokens_NxT: Tokens, vocabulary: Vocabulary) -> _Trie:
    """Number the distinct prefixes before EOS, shorter ones first."""
    node_NxT = np.full(tokens_NxT.shape, -1, np.int64)
    parents = [np.full(1, -1, np.int64)]
    node_NxT[:, 0], count = 0, 1
    for t in range(1, tokens_NxT.shape[1]):
        reads = np.flatnonzero(tokens_NxT[:, t] < vocabulary.eos)
        code = node_NxT[reads, t - 1] * vocabulary.size + tokens_NxT[reads, t]
        distinct, which = np.unique(code, return_inverse=True)
        node_NxT[reads, t] = count + which
        parents.append(distinct // vocabulary.size)
        count += len(distinct)
    return _Trie(node_NxT, np.concatenate(parents))


def _first_places(trie: _Trie) -> tuple[Indices, Indices]:
    """Give the first row in which each prefix stands, and the position of its last token."""
    rows, positions = np.nonzero(trie.node_NxT >= 0)
    _, first = np.unique(trie.node_NxT[rows, positions], return_index=True)
    return rows[first], positions[first]


def _add_up(trie: _Trie, mass_N: np.ndarray) -> Reals:
    """Add up what the strings weigh that begin with each prefix, [S]."""
    rows, positions = np.nonzero(trie.node_NxT >= 0)
    nodes = trie.node_NxT[rows, positions]
    found = np.zeros(len(trie.parent))
    np.add.at(found, nodes, mass_N[rows])
    return found
