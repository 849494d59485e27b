"""Drawing strings of a grammar from the top down, each constituent given its length.

Axes: A nonterminal, R rule of one, L length, C rule with the length of its left child, N string,
D depth of the stack.
"""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from identjax.languages.law.base import as_leaf
from identjax.languages.law.draw import pick, sum_up
from identjax.languages.law.grammar import Grammar
from identjax.vocabulary import Vocabulary

MOST_ENTRIES = 2**24


class Derivation(NamedTuple):
    """Tokens [N, L+2], the next to be written, and a stack of nonterminals with their lengths."""

    tokens: jax.Array
    position: jax.Array
    depth: jax.Array
    stack: jax.Array


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Deriver:
    """Cumulative laws of the length of a string [L+1], of a rule and the length of its left child
    given a nonterminal and its length [A, L+1, C], and of the symbol of a single one [A, S];
    `children` [A, R, 2] has the right sides.
    """

    lengths: jax.Array
    choices: jax.Array
    words: jax.Array
    children: jax.Array

    def sample(self, key: jax.Array, n: int, vocabulary: Vocabulary) -> jax.Array:
        """Draw n strings, [n, L+2]: a string of l symbols takes 2l − 1 choices."""
        most = self.lengths.shape[0] - 1
        length_key, choice_key = (jax.random.fold_in(key, purpose) for purpose in range(2))
        sums_NxL = jnp.broadcast_to(self.lengths, (n, most + 1))
        length_N = pick(sums_NxL, jax.random.uniform(length_key, (n,)))
        tokens = jnp.full((n, most + 2), vocabulary.pad, jnp.int32).at[:, 0].set(vocabulary.bos)
        tokens = tokens.at[jnp.arange(n), length_N + 1].set(vocabulary.eos)
        one_N = jnp.ones(n, jnp.int32)
        stack_NxDx2 = jnp.zeros((n, most + 1, 2), jnp.int32).at[:, 0, 1].set(length_N)
        u_TxN = jax.random.uniform(choice_key, (2 * most - 1, n))
        start = Derivation(tokens, one_N, one_N, stack_NxDx2)
        return lax.scan(self._choose, start, u_TxN)[0].tokens

    def _choose(self, state: Derivation, u_N: jax.Array) -> tuple[Derivation, None]:
        """Write the symbol on top of the stack, or put its two children in its place."""
        tokens, position_N, depth_N, stack_NxDx2 = state
        rows = jnp.arange(len(u_N))
        head_N, size_N = jnp.moveaxis(stack_NxDx2[rows, depth_N - 1], 1, 0)
        writes_N, splits_N = (depth_N > 0) & (size_N == 1), (depth_N > 0) & (size_N > 1)
        token_N = jnp.where(writes_N, pick(self.words[head_N], u_N), tokens[rows, position_N])
        choice_N, sizes = pick(self.choices[head_N, size_N], u_N), self.lengths.shape[0]
        pair_Nx2, left_N = self.children[head_N, choice_N // sizes], choice_N % sizes
        at_NxD = jnp.arange(stack_NxDx2.shape[1])[None] - depth_N[:, None]
        # The right child takes the place of its parent, and the left one lies on it.
        for above, side, child_N in ((-1, 1, size_N - left_N), (0, 0, left_N)):
            put_NxD = (at_NxD == above) & splits_N[:, None]
            child_Nx2 = jnp.stack([pair_Nx2[:, side], child_N], 1)
            stack_NxDx2 = jnp.where(put_NxD[..., None], child_Nx2[:, None], stack_NxDx2)
        written_N = writes_N.astype(jnp.int32)
        depth_N = depth_N + splits_N.astype(jnp.int32) - written_N
        tokens = tokens.at[rows, position_N].set(token_N)
        return Derivation(tokens, position_N + written_N, depth_N, stack_NxDx2), None


def make_deriver(grammar: Grammar, max_length: int) -> Deriver | None:
    """Tabulate the laws; None where they are too large."""
    weight, size = grammar.weigh(max_length), max_length + 1
    by_left = [[pair[1:] for pair in grammar.pairs if pair[0] == a] for a in range(len(weight))]
    rules = max(1, *map(len, by_left))
    if len(weight) * size * rules * size > MOST_ENTRIES:
        return None
    joint = np.zeros((len(weight), size, rules, size))
    children = np.zeros((len(weight), rules, 2), np.int32)
    words = np.zeros((len(weight), len(grammar.symbols)))
    for a, s, p in grammar.words:
        words[a, s] += p
    for a, sides in enumerate(by_left):
        for r, (b, c, p) in enumerate(sides):
            children[a, r] = b, c
            for length in range(2, size):
                rest = weight[c, length - 1 : 0 : -1]
                joint[a, length, r, 1:length] = p * weight[b, 1:length] * rest
    flat = joint.reshape(len(weight), size, -1)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = [np.log(x / x.sum(-1, keepdims=True)) for x in (weight[0], flat, words)]
    laws = [as_leaf(sum_up(np.where(np.isnan(x), -np.inf, x))) for x in logs]
    return Deriver(laws[0], laws[1], laws[2], as_leaf(children))
