"""Languages that are deterministic automata whose weights sit on edges and final states."""

import abc
import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from identjax.errors import ConfigError
from identjax.languages.definition import Definition, LengthSampler
from identjax.languages.law.draw import choose_by
from identjax.languages.law.graph import Graph, Support, explore, log_add
from identjax.languages.law.lookup import TableLaw, build_table

MOST_ENTRIES = 2**24


@dataclasses.dataclass(frozen=True)
class AutomatonDefinition(Definition):
    """A language given by registers: where it starts, how it steps, what it weighs at the end.

    p(string) ∝ weight; the registers of a prefix must not lose its length.
    """

    @property
    @abc.abstractmethod
    def start(self) -> Any:
        """The registers of the empty prefix."""

    @abc.abstractmethod
    def step(self, states: np.ndarray, symbol: int) -> tuple[np.ndarray, np.ndarray]:
        """Give the registers after one more symbol, and log edge weights (−inf: no edge)."""

    @abc.abstractmethod
    def weigh(self, states: np.ndarray) -> np.ndarray:
        """Give the log weight of ending in each state (−inf: not a string)."""

    @functools.cached_property
    def graph(self) -> Graph:
        """The automaton explored up to the maximum length."""
        graph = explore(self.start, self.step, self.weigh, len(self.symbols), self.max_length)
        if graph.log_backward[0] == -np.inf:
            raise ConfigError("max_length", self.max_length, f"enough for a string of {self.name}")
        return graph

    @property
    def entropy(self) -> float:
        return self.graph.entropy

    @functools.cached_property
    def length_probs(self) -> np.ndarray:
        return self.graph.length_probs_up_to(self.max_length)

    @property
    def count(self) -> int | None:
        return self.graph.count

    def build(self) -> TableLaw:
        return build_table(self.graph, self.vocabulary, self.max_length)

    def enumerate(self) -> Support:
        return self.graph.enumerate(self.vocabulary, self.max_length)

    def build_by_length(self) -> LengthSampler:
        """Weigh, in each state, the ways to finish at each length."""
        return TableByLength(self.build(), jnp.asarray(weigh_lengths(self.graph, self.max_length)))


def weigh_lengths(graph: Graph, max_length: int) -> np.ndarray:
    """Log of the weight of finishing with exactly l symbols, relative to all, [Q+3, l]."""
    q = len(graph.log_final)
    if (q + 3) * (max_length + 1) > MOST_ENTRIES:
        raise ConfigError("max_length", max_length, "fewer states, to draw by length from a table")
    found = np.full((q + 3, max_length + 1), -np.inf)
    for length, level in reversed(list(enumerate(graph.levels))):
        onward = graph.log_p[level, :-1, None] + found[graph.next_state[level]]
        found[level] = log_add(np.moveaxis(onward, 1, -1))
        found[level, length] = graph.log_p[level, -1]
    return found.astype(np.float32)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class TableByLength(LengthSampler):
    """A table with log p(finish with exactly l symbols | state), [Q+3, max_length+1]."""

    table: TableLaw
    log_ends: jax.Array

    @jax.jit
    def sample(self, key: jax.Array, lengths_N: jax.Array) -> jax.Array:
        """Draw symbol after symbol with p(symbol | state, length)."""
        table, vocabulary = self.table, self.table.vocabulary
        n = lengths_N.shape[0]
        u_TxN = jax.random.uniform(key, (table.max_length + 1, n))
        symbols = jnp.arange(vocabulary.eos)

        def step(
            state_N: jax.Array, column: tuple[jax.Array, jax.Array]
        ) -> tuple[jax.Array, jax.Array]:
            t, u_N = column
            next_NxS = table.next_state[state_N[:, None], symbols[None]]
            log_w_NxS = table.log_p[state_N][:, : vocabulary.eos]
            log_w_NxS = log_w_NxS + self.log_ends[next_NxS, lengths_N[:, None]]
            drawn_N = choose_by(u_N, log_w_NxS)
            token_N = jnp.where(t < lengths_N, drawn_N, vocabulary.pad)
            token_N = jnp.where(t == lengths_N, vocabulary.eos, token_N)
            return table.next_state[state_N, token_N], token_N

        first = table.next_state[table.start(), vocabulary.bos]
        columns = (jnp.arange(table.max_length + 1), u_TxN)
        _, tokens_TxN = lax.scan(step, jnp.full(n, first), columns)
        real_N = self.log_ends[first, lengths_N] > -jnp.inf
        tokens_NxT = jnp.where(real_N[:, None], tokens_TxN.T, vocabulary.pad)
        bos_Nx1 = jnp.full((n, 1), vocabulary.bos, jnp.int32)
        return jnp.concatenate([bos_Nx1, tokens_NxT], 1)
