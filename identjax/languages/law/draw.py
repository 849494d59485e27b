"""Drawing from a law, listing it, and scoring with it, token by token.

Axes: N string, T position, V vocabulary, K choice.
"""

import dataclasses
import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from identjax.languages.law.base import as_leaf
from identjax.languages.law.graph import Support, list_strings
from identjax.predictor import Predictor, State
from identjax.vocabulary import Tokens

BLOCK = 256
# States with their laws, [N, V].
Read = tuple[State, np.ndarray]


def choose_by(u_N: jax.Array, log_w_NxK: jax.Array) -> jax.Array:
    """Choose by inverse cumulative weights, never an impossible one; K−1 where all are."""
    top_Nx1 = log_w_NxK.max(1, keepdims=True)
    w_NxK = jnp.exp(log_w_NxK - jnp.where(top_Nx1 > -jnp.inf, top_Nx1, 0))
    sums_NxK = jnp.cumsum(w_NxK, 1)
    # The aim stays strictly below the sum that the last possible choice reaches.
    aim_N = jnp.minimum(u_N * sums_NxK[:, -1], jnp.nextafter(sums_NxK[:, -1], jnp.float32(0)))
    drawn_N = (sums_NxK <= aim_N[:, None]).sum(1, dtype=jnp.int32)
    return jnp.minimum(drawn_N, log_w_NxK.shape[1] - 1)


def cumulate(log_p: jax.Array) -> jax.Array:
    """Cumulative probabilities along the last axis, 2 from the last possible one on."""
    possible = log_p > -jnp.inf
    last = log_p.shape[-1] - 1 - jnp.argmax(possible[..., ::-1], -1, keepdims=True)
    index = lax.broadcasted_iota(last.dtype, log_p.shape, log_p.ndim - 1)
    return jnp.where(index >= last, 2, jnp.cumsum(jnp.exp(log_p), -1))


def sum_up(log_p_QxE: np.ndarray) -> np.ndarray:
    """Cumulative probabilities, 2 from the last possible one on."""
    possible = log_p_QxE > -np.inf
    sums = np.cumsum(np.where(possible, np.exp(log_p_QxE), 0), -1)
    later = np.cumsum(possible[..., ::-1], -1)[..., ::-1]
    return np.where(later - possible == 0, 2, sums).astype(np.float32)


def pick(sums_NxK: jax.Array, u_N: jax.Array) -> jax.Array:
    """Choose from cumulative sums, never an impossible one."""
    return (sums_NxK <= u_N[:, None]).sum(1, dtype=jnp.int32)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Pool:
    """All strings [S, T] with the cumulative sums of their probabilities [S]."""

    tokens: jax.Array
    cumulative: jax.Array

    @functools.partial(jax.jit, static_argnames=("n",))
    def sample(self, key: jax.Array, n: int) -> jax.Array:
        """Draw n strings with one random word each."""
        u_N = jax.random.uniform(key, (n,))
        return self.tokens[jnp.searchsorted(self.cumulative, u_N, side="right")]

    @classmethod
    def of(cls, tokens_SxT: Tokens, log_p_S: np.ndarray) -> "Pool":
        """Make the pool of a support."""
        return cls(as_leaf(tokens_SxT), as_leaf(sum_up(log_p_S[None])[0]))


@functools.partial(jax.jit, static_argnames=("n",))
def sample_by_scan(core: Predictor, key: jax.Array, n: int) -> jax.Array:
    """Draw n strings, [n, max_length+2], with one random word per token."""
    advance = jax.vmap(core.advance)
    bos_N = jnp.full(n, core.vocabulary.bos, jnp.int32)
    state = advance(jax.vmap(lambda _: core.start())(bos_N), bos_N)
    u_TxN = jax.random.uniform(key, (core.max_length + 1, n))

    def step(state: State, u_N: jax.Array) -> tuple[State, jax.Array]:
        token_N = choose_by(u_N, jax.vmap(core.log_probs)(state))
        return advance(state, token_N), token_N

    _, tokens_TxN = lax.scan(step, state, u_TxN)
    return jnp.concatenate([bos_N[:, None], tokens_TxN.T], 1)


def score_by_views(
    core: Predictor,
    tokens_NxT: jax.Array,
    view: Callable[[State], State],
    law: Callable[[State], jax.Array],
) -> jax.Array:
    """Scan over states, keep only what the law needs of each, and give all laws at once."""
    advance = jax.vmap(core.advance)

    def step(state: State, token_N: jax.Array) -> tuple[State, State]:
        state = advance(state, token_N)
        return state, jax.vmap(view)(state)

    start = jax.vmap(lambda _: core.start())(tokens_NxT[:, 0])
    _, views_TxN = lax.scan(step, start, tokens_NxT.T)
    views_NxT = jax.tree.map(lambda leaf: jnp.moveaxis(leaf, 0, 1), views_TxN)
    return jax.vmap(jax.vmap(law))(views_NxT)


def enumerate_law(core: Predictor, most: int) -> Support | None:
    """List all strings with log p, by length and then symbols; None above `most` prefixes."""
    vocabulary = core.vocabulary
    states = jax.tree.map(lambda leaf: np.asarray(leaf)[None], core.start())

    def move(read: Read, parent: np.ndarray, symbol: np.ndarray) -> Read:
        return _read(core, jax.tree.map(lambda leaf: leaf[parent], read[0]), symbol)

    return list_strings(
        vocabulary,
        core.max_length,
        _read(core, states, np.full(1, vocabulary.bos)),
        lambda read: read[1][:, : vocabulary.eos + 1],
        move,
        most,
    )


def _read(core: Predictor, states: State, token_N: np.ndarray) -> Read:
    """Advance each state and give its law, in blocks of one shape, so that one is compiled."""
    found = []
    for begin in range(0, len(token_N), BLOCK):
        part = np.minimum(np.arange(begin, begin + BLOCK), len(token_N) - 1)
        block = jax.tree.map(lambda leaf, at=part: leaf[at], states)
        found.append(_read_block(core, block, token_N[part].astype(np.int32)))
    n = len(token_N)
    whole = jax.tree.map(lambda *parts: np.concatenate(parts)[:n], *found)
    return whole[0], whole[1].astype(np.float64)


@jax.jit
def _read_block(core: Predictor, states: State, token_N: jax.Array) -> tuple[State, jax.Array]:
    states = jax.vmap(core.advance)(states, token_N)
    return states, jax.vmap(core.log_probs)(states)
