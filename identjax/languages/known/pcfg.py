"""Probabilistic context-free grammars of bounded length, with exact prefix probabilities.

Axes: N nonterminal, R binary rule, L position or length, S symbol.
"""

import dataclasses
import functools
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.nn import logsumexp

from identjax.errors import ConfigError
from identjax.languages.definition import Definition, register
from identjax.languages.law.base import (
    FRESH,
    READING,
    Law,
    as_leaf,
    as_log_leaf,
    next_mode,
    place_marks,
)
from identjax.languages.law.derive import Deriver, make_deriver
from identjax.languages.law.draw import sample_by_scan
from identjax.languages.law.grammar import Grammar, Production, check_unambiguous, read_grammar
from identjax.predictor import Predictor, State

MARKED_PALINDROMES: tuple[Production, ...] = (
    ("S", "a S a", 0.35),
    ("S", "b S b", 0.35),
    ("S", "c", 0.3),
)


class Chart(NamedTuple):
    """All in logs, given the prefix: outer [N, L+1], a constituent of that length that begins
    next and is a right child or the root; begun [L+1, N, L+1], any that begins at a position;
    inside [L+1, L+1, N], one from a position to another; symbols read, and mode.
    """

    outer: jax.Array
    begun: jax.Array
    inside: jax.Array
    length: jax.Array
    mode: jax.Array


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Parser(Law):
    """p(x) = Π p(rule) / Z over strings of at most L symbols, parsed from left to right.

    What begins next is a right child or the root, of some length m; its weight times the weight
    of its strings of length m that start with a symbol gives that symbol's probability. Every
    chart entry is relative to the prefix (Stolcke 1995, with the length carried along).
    """

    log_root: jax.Array
    log_first: jax.Array
    log_spine: jax.Array
    log_words: jax.Array
    log_rule: jax.Array
    rule: jax.Array
    deriver: Deriver | None

    def start(self) -> State:
        """Start with the root, of any length."""
        nonterminals, lengths = self.log_words.shape[0], self.max_length + 1
        outer = jnp.full((nonterminals, lengths), -jnp.inf).at[0, 1:].set(self.log_root)
        begun = jnp.full((lengths, nonterminals, lengths), -jnp.inf)
        inside = jnp.full((lengths, lengths, nonterminals), -jnp.inf)
        return Chart(outer, begun, inside, jnp.int32(0), jnp.int32(FRESH))

    def advance(self, state: State, token: jax.Array) -> State:
        """Read a symbol: close what it completes, then see what can begin after it."""
        v, t = self.vocabulary, state.length
        law_V = self._law(state, jnp.int32(READING))
        safe = jnp.clip(token, 0, v.size - 1)
        log_p = jnp.where(safe == token, law_V[safe], -jnp.inf)
        reads = (state.mode == READING) & (log_p > -jnp.inf) & (token < v.eos)
        scale = jnp.where(reads, log_p, 0)
        begun = state.begun.at[t].set(self._begin(state.outer))
        word_N = self.log_words[:, jnp.where(reads, token, 0)] - scale
        column = self._complete(state.inside, word_N, t)
        inside = state.inside.at[:, jnp.minimum(t + 1, self.max_length)].set(column)
        outer = self._continue(begun, column, t)
        mode = next_mode(v, state.mode, token, reads, log_p > -jnp.inf)
        after = Chart(outer, begun, inside, t + 1, mode)
        kept = jax.tree.map(lambda new, old: jnp.where(reads, new, old), after, state)
        return kept._replace(mode=mode)

    @functools.partial(jax.jit, static_argnames=("n",))
    def sample(self, key: jax.Array, n: int) -> jax.Array:
        """Draw derivations from the top down, which needs no chart."""
        if self.deriver is None:
            return sample_by_scan(self, key, n)
        return self.deriver.sample(key, n, self.vocabulary)

    def log_probs(self, state: State) -> jax.Array:
        """Give each symbol what the constituents that can begin next give it."""
        return self._law(state, state.mode)

    def _law(self, state: Chart, mode: jax.Array) -> jax.Array:
        symbols_S = logsumexp(state.outer[:, :, None] + self.log_first, axis=(0, 1))
        whole = state.inside[0, jnp.minimum(state.length, self.max_length), 0] + self.log_root
        end = jnp.where(state.length > 0, whole, -jnp.inf)
        total = jnp.logaddexp(logsumexp(symbols_S), end)
        total = jnp.where(total > -jnp.inf, total, 0)
        return place_marks(self.vocabulary, symbols_S - total, end - total, mode)

    def _begin(self, outer_NxL: jax.Array) -> jax.Array:
        """Add the left spines below what begins: Σ_d outer[C, m+d] spine[C, A, d], [N, L+1]."""
        lengths = jnp.arange(self.max_length + 1)
        at = lengths[:, None] + lengths[None]
        whole = outer_NxL[:, jnp.minimum(at, self.max_length)]
        whole = jnp.where((at <= self.max_length)[None], whole, -jnp.inf)
        return logsumexp(whole[:, None] + self.log_spine[:, :, None, :], axis=(0, 3))

    def _complete(self, inside: jax.Array, word_N: jax.Array, t: jax.Array) -> jax.Array:
        """Weigh all constituents that end with the new symbol, by where they began, [L+1, N]."""
        _, b_R, c_R = self.rule

        def step(column: jax.Array, i: jax.Array) -> tuple[jax.Array, None]:
            joined_R = logsumexp(inside[i][:, b_R] + column[:, c_R], axis=0)
            made_N = self._collect(joined_R + self.log_rule, 0)
            return column.at[i].set(jnp.where(i < t, made_N, column[i])), None

        column = jnp.full((self.max_length + 1, word_N.shape[0]), -jnp.inf).at[t].set(word_N)
        column, _ = lax.scan(step, column, jnp.arange(self.max_length - 1, -1, -1))
        return column

    def _continue(self, begun: jax.Array, column: jax.Array, t: jax.Array) -> jax.Array:
        """Weigh the right children that begin next, after left siblings just completed."""
        a_R, b_R, _ = self.rule
        starts, lengths = jnp.arange(self.max_length + 1), jnp.arange(self.max_length + 1)
        at = (t + 1 - starts)[:, None] + lengths[None]
        inside_bounds = (at <= self.max_length) & (at >= 0) & (lengths[None] > 0)
        at = jnp.where(inside_bounds, at, 0)
        parent_IxRxL = jnp.take_along_axis(begun[:, a_R], at[:, None], 2)
        parent_IxRxL = jnp.where(inside_bounds[:, None], parent_IxRxL, -jnp.inf)
        together_RxL = logsumexp(parent_IxRxL + column[:, b_R][:, :, None], axis=0)
        return self._collect(together_RxL + self.log_rule[:, None], 2)

    def _collect(self, values: jax.Array, role: int) -> jax.Array:
        """Add up, over rules, for the nonterminal in a role (0 parent, 2 right child), [N, …]."""
        mine_NxR = jnp.arange(self.log_words.shape[0])[:, None] == self.rule[role][None]
        mine = mine_NxR.reshape(*mine_NxR.shape, *[1] * (values.ndim - 1))
        return logsumexp(jnp.where(mine, values[None], -jnp.inf), axis=1)


@register("pcfg")
@dataclasses.dataclass(frozen=True)
class Pcfg(Definition):
    """The strings of at most L symbols of an unambiguous PCFG: p = Π p(rule) / Z.

    `productions` are (left side, right side as text, share); the first left side is the start,
    what is never a left side is a symbol. The default is w c reversed(w).

    >>> Pcfg(5).count, round(Pcfg(5).entropy, 4)
    (7, 1.5892)
    """

    productions: tuple[Production, ...] = MARKED_PALINDROMES
    chomsky: ClassVar[str] = "context-free"
    why_no_rules: ClassVar[str] = "None that counters can see."

    def check(self) -> None:
        """Read the productions, and refuse those that are not a grammar or are ambiguous."""
        if type(self.max_length) is int and self.max_length > 0:
            check_unambiguous(self.grammar, self.max_length)
            if not self.total > 0:
                allowed = "enough for a string of the grammar"
                raise ConfigError("max_length", self.max_length, allowed)

    @functools.cached_property
    def grammar(self) -> Grammar:
        """The binary form."""
        return read_grammar(self.productions)

    @property
    def total(self) -> float:
        """Z, the share of strings that are short enough."""
        return float(self.grammar.weigh(self.max_length)[0].sum())

    @property
    def symbols(self) -> tuple[str, ...]:
        """What is never a left side, sorted."""
        return self.grammar.symbols

    @property
    def entropy(self) -> float:
        """Log Z − Σ w log w / Z, over derivations, which are strings."""
        sums = self.grammar.log_weight_sums(self.max_length)[0].sum()
        return float(np.log(self.total) - sums / self.total)

    @functools.cached_property
    def length_probs(self) -> np.ndarray:
        """The weight of each length."""
        return self.grammar.weigh(self.max_length)[0] / self.total

    @property
    def count(self) -> int | None:
        """The number of derivations."""
        return sum(self.grammar.count(self.max_length))

    def build(self) -> Predictor:
        """Tabulate what depends on the grammar and the length alone."""
        g, length = self.grammar, self.max_length
        n, weight = len(g.names), g.weigh(length)
        words = np.zeros((n, len(g.symbols)))
        first = np.zeros((n, length + 1, len(g.symbols)))
        spine = np.zeros((n, n, length + 1))
        spine[:, :, 0] = np.eye(n)
        for a, s, p in g.words:
            words[a, s] += p
        first[:, 1:2] = words[:, None]
        for size in range(1, length + 1):
            for a, b, c, p in g.pairs:
                rest = weight[c, size - 1 : 0 : -1]
                first[a, size] += p * (rest @ first[b, 1:size])
                spine[a, :, size] += p * (spine[b, :, :size] @ weight[c, size:0:-1])
        rule = np.array([pair[:3] for pair in g.pairs], np.int32).reshape(-1, 3).T
        log_root, log_rule = as_log_leaf(1 / self.total), as_log_leaf([pair[3] for pair in g.pairs])
        tables = as_log_leaf(first), as_log_leaf(spine), as_log_leaf(words)
        rules = log_rule, as_leaf(rule), make_deriver(g, length)
        return Parser(self.vocabulary, length, log_root, *tables, *rules)
