"""The Bayes-optimal observer that knows the format of GINC's in-context prompts.

Axes: K concept, S start slot, A entity, B slot, O symbol.
"""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.nn import logsumexp

from identjax.errors import ConfigError
from identjax.languages.known.ginc import ENTITIES, SLOTS, Ginc
from identjax.languages.known.hmm import Hmm
from identjax.languages.law.base import FRESH, READING, as_log_leaf, next_mode, place_marks
from identjax.predictor import State, Wrapper


class Examples(NamedTuple):
    """Belief in the current example by concept and start slot [K, S, A, B], place in it, mode."""

    log_belief: jax.Array
    place: jax.Array
    mode: jax.Array


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class PromptAware(Wrapper):
    """Exact Bayes for in-context prompts of examples of k symbols with a delimiter after each.

    The prior is uniform over concept and start slot s~U{1..9}; each example starts afresh at
    slot s with a uniform entity. Where the plain filter is undefined, this is not.
    """

    core: Hmm
    log_fresh: jax.Array
    k: int = dataclasses.field(metadata={"static": True})

    def start(self) -> State:
        concepts = self.core.log_start.shape[0]
        size = concepts * self.log_fresh.shape[0]
        log_b = jnp.broadcast_to(self.log_fresh[None], (concepts, *self.log_fresh.shape))
        return Examples(log_b - np.float32(np.log(size)), jnp.int32(0), jnp.int32(FRESH))

    def advance(self, state: State, token: jax.Array) -> State:
        """Condition on a symbol of an example; at a delimiter begin the next."""
        v = self.vocabulary
        at_end = state.place == self.k
        symbol = (token >= 0) & (token < v.eos)
        emits_AxB = self.core.log_emit[:, :, jnp.where(symbol, token, 0)]
        seen = state.log_belief + emits_AxB[None, None]
        total = logsumexp(seen)
        seen = seen - jnp.where(total > -jnp.inf, total, 0)
        moved = jax.vmap(self.core.propagate, in_axes=1, out_axes=1)(seen)
        mass_KxS = logsumexp(state.log_belief, axis=(2, 3))
        again = mass_KxS[:, :, None, None] + self.log_fresh[None]
        reads = jnp.where(at_end, token == 0, (total > -jnp.inf) & symbol)
        reads = reads & (state.mode == READING)
        after = jnp.where(at_end, again, moved)
        place = jnp.where(at_end, 0, state.place + 1)
        return Examples(
            jnp.where(reads, after, state.log_belief),
            jnp.where(reads, place, state.place),
            next_mode(v, state.mode, token, reads, may_end=False),
        )

    def log_probs(self, state: State) -> jax.Array:
        """The law of the next symbol; the delimiter after k of them. Prompts have no end."""
        law_O = self.core.emit(logsumexp(state.log_belief, axis=(0, 1)))
        delimiter_O = jnp.where(jnp.arange(law_O.shape[0]) == 0, 0, -jnp.inf).astype(law_O.dtype)
        law_O = jnp.where(state.place == self.k, delimiter_O, law_O - logsumexp(law_O))
        no_end = jnp.asarray(-jnp.inf, law_O.dtype)
        return place_marks(self.vocabulary, law_O, no_end, state.mode)


def make_prompt_aware(definition: Ginc, k: int) -> PromptAware:
    """Make the prompt-aware observer of a GINC language for examples of k symbols."""
    if type(k) is not int or k < 1:
        raise ConfigError("k", k, "a whole number, at least 1")
    core = definition.build()
    assert isinstance(core, Hmm)
    fresh = np.zeros((SLOTS - 1, ENTITIES, SLOTS))
    for s in range(1, SLOTS):
        fresh[s - 1, :, s] = 1 / ENTITIES
    return PromptAware(core, as_log_leaf(fresh), k)
