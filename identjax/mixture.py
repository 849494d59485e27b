"""Mixtures: exact Bayes over components, in the state."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from identjax.predictor import Predictor, State, Wrapper


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Mixture(Wrapper):
    """p(x) = Σ_k w_k p_k(x) as conditionals: Σ_k p(k | x_<t) p_k(x_t | x_<t).

    `components` is a stack of one kind (leading axis K) or a tuple of any predictors over one
    vocabulary; `log_weights` is [K]. The state carries the posterior over components; a prefix
    that is impossible under all of them leaves the mixture dead.
    """

    components: Any
    log_weights: jax.Array

    @property
    def inner(self) -> Predictor:
        """The component of the longest strings; all have one vocabulary."""
        parts = self.components
        return max(parts, key=lambda part: part.max_length) if isinstance(parts, tuple) else parts

    def start(self) -> State:
        """Start every component, with the prior as the posterior."""
        log_w_K = jnp.asarray(self.log_weights)
        if isinstance(self.components, tuple):
            return tuple(part.start() for part in self.components), log_w_K
        return jax.vmap(lambda part: part.start())(self.components), log_w_K

    def advance(self, state: State, token: jax.Array) -> State:
        """Weigh each component by what it gave to the token, and advance it."""
        states, log_w_K = state
        reads_K = self._log_probs_KxV(states)[:, token]
        # The start mark is given to all, so it tells nothing apart.
        log_w_K = jnp.where(token == self.vocabulary.bos, log_w_K, log_w_K + reads_K)
        top = lax.stop_gradient(log_w_K.max())
        log_w_K = log_w_K - jnp.where(top > -jnp.inf, top, 0)
        if isinstance(self.components, tuple):
            pairs = zip(self.components, states, strict=True)
            return tuple(part.advance(s, token) for part, s in pairs), log_w_K
        moved = jax.vmap(lambda part, s: part.advance(s, token))(self.components, states)
        return moved, log_w_K

    def log_probs(self, state: State) -> jax.Array:
        """Average the components' laws under the posterior; all −inf where none is alive."""
        states, log_w_K = state
        total = jax.nn.logsumexp(log_w_K)
        joint_KxV = log_w_K[:, None] + self._log_probs_KxV(states)
        log_p_V = jax.nn.logsumexp(joint_KxV, axis=0)
        return jnp.where(
            total > -jnp.inf, log_p_V - jnp.where(total > -jnp.inf, total, 0), -jnp.inf
        )

    def _log_probs_KxV(self, states: State) -> jax.Array:
        if isinstance(self.components, tuple):
            pairs = zip(self.components, states, strict=True)
            return jnp.stack([part.log_probs(s) for part, s in pairs])
        return jax.vmap(lambda part, s: part.log_probs(s))(self.components, states)
