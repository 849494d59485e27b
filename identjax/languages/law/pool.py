"""Drawing whole strings from a support that is small enough to be listed."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np

from identjax.languages.law.leaves import as_leaf
from identjax.languages.law.table import sum_up
from identjax.vocabulary import Tokens


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


def build_pool(tokens_SxT: Tokens, log_p_S: np.ndarray) -> Pool:
    """Make the pool of a support."""
    return Pool(as_leaf(tokens_SxT), as_leaf(sum_up(log_p_S[None])[0]))
