"""Predictors with known answers: the truth on its support, and a law of one's choice off it."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from identjax import languages
from identjax.languages.language import Language
from identjax.predictor import Predictor, State, Wrapper

LANG: Language = languages.make("L3", 12)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Planted(Wrapper):
    """Mixes its own law `off` [V] into the truth's with weight `tilt`; off the support, only it."""

    truth: Language
    off: jax.Array
    tilt: jax.Array

    @property
    def inner(self) -> Language:
        return self.truth

    def start(self) -> State:
        return self.truth.start(), jnp.bool_(False)

    def advance(self, state: State, token: jax.Array) -> State:
        return self.truth.advance(state[0], token), state[1] | (token == self.vocabulary.eos)

    def log_probs(self, state: State) -> jax.Array:
        log_p = self.truth.log_probs(state[0])
        dead = (log_p == -jnp.inf).all()
        mixed = jnp.log((1 - self.tilt) * jnp.exp(log_p) + self.tilt * jnp.exp(self.off))
        law = jnp.where(dead, self.off, jnp.where(self.tilt > 0, mixed, log_p))
        pad_only = jnp.arange(self.vocabulary.size) == self.vocabulary.pad
        return jnp.where(state[1], jnp.where(pad_only, 0.0, -jnp.inf), law)


def off_law(lang: Language, **weights: float) -> np.ndarray:
    """A law over symbols and EOS, in logs."""
    p = np.zeros(lang.vocabulary.size, np.float32)
    for name, weight in weights.items():
        p[lang.vocabulary.eos if name == "eos" else int(lang.vocabulary.encode(name)[0])] = weight
    with np.errstate(divide="ignore"):
        return np.log(p)


def plant(
    laws: Sequence[np.ndarray], tilts: Sequence[float] | None = None, lang: Language = LANG
) -> Predictor:
    """Stack planted members, one per law; those with a tilt leave the truth on its support too."""
    count = len(laws)
    truth: Any = jax.tree.map(lambda leaf: np.stack([np.asarray(leaf)] * count), lang)
    tilt = np.asarray(tilts if tilts is not None else np.zeros(count), np.float32)
    return Planted(truth, np.stack(laws).astype(np.float32), tilt)


def log_prob_of(log_p_NxTxV: jax.Array, tokens_NxT: jax.Array) -> jax.Array:
    """Log probability of each whole string under a score of it, [N]; PAD after EOS adds 0."""
    next_NxS = tokens_NxT[:, 1:]
    return jnp.take_along_axis(log_p_NxTxV[:, :-1], next_NxS[..., None], -1)[..., 0].sum(-1)
