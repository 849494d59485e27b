"""A Predictor that is a table: a state is a row number, and so is the law after it."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from identjax.languages.law.base import Law, as_leaf
from identjax.languages.law.draw import pick, sum_up
from identjax.languages.law.graph import NONE, Graph
from identjax.predictor import State
from identjax.vocabulary import Tokens, Vocabulary


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class TableLaw(Law):
    """A finite machine with a law in each state.

    The last three rows are: nothing read yet, ended, dead. `cumulative` [Q, S+1] has the sums
    that sampling compares with, 2 from the last possible token on, so that rounding never picks
    an impossible one.
    """

    next_state: jax.Array
    log_p: jax.Array
    cumulative: jax.Array

    def start(self) -> State:
        return jnp.int32(self.log_p.shape[0] - 3)

    def advance(self, state: State, token: jax.Array) -> State:
        """Look the next row up; tokens outside the vocabulary are impossible."""
        dead = self.log_p.shape[0] - 1
        known = (token >= 0) & (token < self.vocabulary.size)
        return jnp.where(known, self.next_state[state, jnp.where(known, token, 0)], dead)

    def log_probs(self, state: State) -> jax.Array:
        return self.log_p[state]

    def score(self, tokens_NxT: jax.Array) -> jax.Array:

        def step(state_N: jax.Array, token_N: jax.Array) -> tuple[jax.Array, jax.Array]:
            state_N = self.advance(state_N, token_N)
            return state_N, state_N

        start_N = jnp.full(tokens_NxT.shape[0], self.start())
        _, states_TxN = lax.scan(step, start_N, tokens_NxT.T)
        return self.log_p[states_TxN.T]

    @functools.partial(jax.jit, static_argnames=("n",))
    def sample(self, key: jax.Array, n: int) -> jax.Array:
        return draw_from_tables(jax.tree.map(lambda x: x[None], self), key, jnp.zeros(n, jnp.int32))


def draw_from_tables(tables: TableLaw, key: jax.Array, which_N: jax.Array) -> jax.Array:
    """Draw one string from the chosen table of a stack for each row."""
    rows, vocabulary = tables.log_p.shape[1], tables.vocabulary
    next_state, sums = (x.reshape(-1, x.shape[-1]) for x in (tables.next_state, tables.cumulative))
    u_TxN = jax.random.uniform(key, (tables.max_length + 1, *which_N.shape))

    def step(state_N: jax.Array, u_N: jax.Array) -> tuple[jax.Array, jax.Array]:
        at_N = which_N * rows + state_N
        token_N = jnp.where(state_N >= rows - 2, vocabulary.pad, pick(sums[at_N], u_N))
        return next_state[at_N, token_N], token_N

    bos_N = jnp.full_like(which_N, vocabulary.bos)
    first_N = next_state[which_N * rows + rows - 3, bos_N]
    _, tokens_TxN = lax.scan(step, first_N, u_TxN)
    return jnp.concatenate([bos_N[:, None], tokens_TxN.T], 1)


def build_table(graph: Graph, vocabulary: Vocabulary, max_length: int) -> TableLaw:
    """Turn a weighted graph into the Predictor of its law."""
    return make_table(graph.next_state, graph.log_p, vocabulary, max_length)


def walk(table: TableLaw, tokens_NxP: Tokens) -> np.ndarray:
    """Give the rows of a table after it has read prompts, BOS first, [N]."""
    next_state = np.asarray(table.next_state)
    state_N = np.full(len(tokens_NxP), len(next_state) - 3)
    for token_N in np.asarray(tokens_NxP).T:
        state_N = next_state[state_N, token_N]
    return state_N


def make_table(
    next_state_QxS: np.ndarray, log_p_QxE: np.ndarray, vocabulary: Vocabulary, max_length: int
) -> TableLaw:
    """Make the Predictor of a machine (−1: no edge) and its laws over symbols and EOS."""
    q, symbols = next_state_QxS.shape
    fresh, ended, dead = q, q + 1, q + 2
    log_p = np.full((q + 3, vocabulary.size), -np.inf, np.float32)
    log_p[:q, : symbols + 1] = log_p_QxE
    log_p[ended, vocabulary.pad] = 0
    next_state = np.full((q + 3, vocabulary.size), dead, np.int32)
    possible = (log_p_QxE[:, :-1] > -np.inf) & (next_state_QxS != NONE)
    next_state[:q, :symbols] = np.where(possible, next_state_QxS, dead)
    next_state[:q, vocabulary.eos] = np.where(log_p_QxE[:, -1] > -np.inf, ended, dead)
    next_state[fresh, vocabulary.bos] = 0
    next_state[ended, vocabulary.pad] = ended
    cumulative = np.full((q + 3, symbols + 1), 2, np.float32)
    cumulative[:q] = sum_up(log_p_QxE)
    leaves = as_leaf(next_state), as_leaf(log_p), as_leaf(cumulative)
    return TableLaw(vocabulary, max_length, *leaves)
