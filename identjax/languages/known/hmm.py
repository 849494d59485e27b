"""Hidden Markov models and mixtures of them, with the exact Bayes filter in the log domain.

Axes: K concept, A and B the two parts of a hidden state, O symbol.
"""

import dataclasses
import functools
import string
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.nn import logsumexp

from identjax.errors import ConfigError
from identjax.languages.definition import ListedDefinition, register
from identjax.languages.law.base import FRESH, READING, Law, as_log_leaf, next_mode, place_marks
from identjax.languages.law.draw import cumulate, pick
from identjax.predictor import Predictor, State

Path = tuple[jax.Array, jax.Array, jax.Array]


class Belief(NamedTuple):
    """log p(concept, hidden state of the next symbol | read) [K, A, B], symbols read, mode."""

    log_belief: jax.Array
    length: jax.Array
    mode: jax.Array


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Hmm(Law):
    """A mixture of HMMs whose transitions are V ⊗ S_k; exact Bayes over concept and state.

    Per symbol: p(o) = Σ b E[·, o]; condition on o; b ← (1−ε) Vᵀ b S_k + ε Σ b / (A B). All in
    logs, so that what is impossible is exactly −inf and nothing underflows. With ε = 0 it is the
    exact filter; a plain HMM has one concept and A = 1. log_stop and log_go [L+1] are the law of
    ending after so many symbols.
    """

    log_start: jax.Array
    log_v: jax.Array
    log_s: jax.Array
    log_emit: jax.Array
    log_stop: jax.Array
    log_go: jax.Array
    smoothing: jax.Array

    def start(self) -> State:
        return Belief(jnp.asarray(self.log_start), jnp.int32(0), jnp.int32(FRESH))

    def advance(self, state: State, token: jax.Array) -> State:
        v = self.vocabulary
        symbol = (token >= 0) & (token < v.eos)
        seen_KxAxB = state.log_belief + self.log_emit[:, :, jnp.where(symbol, token, 0)][None]
        total = logsumexp(seen_KxAxB)
        reads = (state.mode == READING) & (total > -jnp.inf) & symbol
        reads = reads & (self.log_go[state.length] > -jnp.inf)
        may_end = self.log_stop[state.length] > -jnp.inf
        moved_KxAxB = self.propagate(seen_KxAxB - jnp.where(total > -jnp.inf, total, 0))
        return Belief(
            jnp.where(reads, moved_KxAxB, state.log_belief),
            jnp.where(reads, state.length + 1, state.length),
            next_mode(v, state.mode, token, reads, may_end),
        )

    def propagate(self, log_b_KxAxB: jax.Array) -> jax.Array:
        """One step of the transitions."""
        moved = logsumexp(log_b_KxAxB[:, :, None] + self.log_v[None, :, :, None], axis=1)
        moved = logsumexp(moved[:, :, :, None] + self.log_s[:, None], axis=2)
        mass_K = logsumexp(log_b_KxAxB, axis=(1, 2), keepdims=True)
        size = np.float32(np.log(self.log_emit.shape[0] * self.log_emit.shape[1]))
        blurred = jnp.log(self.smoothing) + mass_K - size
        return jnp.logaddexp(jnp.log1p(-self.smoothing) + moved, blurred)

    def emit(self, log_b_AxB: jax.Array) -> jax.Array:
        """Log of the mass of each symbol, [O]."""
        return logsumexp(log_b_AxB[:, :, None] + self.log_emit, axis=(0, 1))

    def log_probs(self, state: State) -> jax.Array:
        length = jnp.minimum(state.length, self.max_length)
        law_O = self.emit(logsumexp(state.log_belief, axis=0))
        law_O = law_O - logsumexp(law_O) + self.log_go[length]
        return place_marks(self.vocabulary, law_O, self.log_stop[length], state.mode)

    @functools.partial(jax.jit, static_argnames=("n",))
    def sample(self, key: jax.Array, n: int) -> jax.Array:
        """Draw the hidden path and what each state emits, which needs no belief."""
        v, (_, a_size, b_size) = self.vocabulary, self.log_start.shape
        first_key, path_key = (jax.random.fold_in(key, purpose) for purpose in range(2))
        start_N = jnp.broadcast_to(cumulate(self.log_start.reshape(-1)), (n, self.log_start.size))
        first_N = pick(start_N, jax.random.uniform(first_key, (n,)))
        k_N, a_N, b_N = first_N // (a_size * b_size), first_N // b_size % a_size, first_N % b_size
        sums_v, sums_s, sums_emit = (cumulate(x) for x in (self.log_v, self.log_s, self.log_emit))
        u_Tx5xN = jax.random.uniform(path_key, (self.max_length + 1, 5, n))

        def step(path: Path, at: tuple[jax.Array, jax.Array]) -> tuple[Path, jax.Array]:
            (a_N, b_N, reads_N), (stop, u_5xN) = path, at
            ends_N = reads_N & (u_5xN[0] < stop)
            word_N = pick(sums_emit[a_N, b_N], u_5xN[1])
            token_N = jnp.where(reads_N, jnp.where(ends_N, v.eos, word_N), v.pad)
            # With smoothing, now and then any state follows.
            blurs_N = u_5xN[2] < self.smoothing
            any_a_N = (u_5xN[3] * a_size).astype(jnp.int32)
            any_b_N = (u_5xN[4] * b_size).astype(jnp.int32)
            a_N = jnp.where(blurs_N, any_a_N, pick(sums_v[a_N], u_5xN[3]))
            b_N = jnp.where(blurs_N, any_b_N, pick(sums_s[k_N, b_N], u_5xN[4]))
            return (a_N, b_N, reads_N & ~ends_N), token_N

        path = a_N, b_N, jnp.ones(n, bool)
        _, tokens_TxN = lax.scan(step, path, (jnp.exp(self.log_stop), u_Tx5xN))
        return jnp.concatenate([jnp.full((n, 1), v.bos, jnp.int32), tokens_TxN.T], 1)


@register("hmm")
@dataclasses.dataclass(frozen=True)
class RandomHmm(ListedDefinition):
    """A random HMM; the length is uniform on 1..L whatever the states.

    Start, transition and emission laws are Dirichlet(concentration) draws of the seed. The
    entropy is exact where the strings can be listed and raises elsewhere.
    """

    hidden: int = 8
    letters: int = 4
    concentration: float = 0.5
    seed: int = 0
    chomsky: ClassVar[str] = "regular (weighted)"
    why_no_rules: ClassVar[str] = "None: every string is possible."

    def check(self) -> None:
        self.check_whole(hidden=(1, 1000), letters=(1, 26), seed=(0, 2**31))
        if not self.concentration > 0:
            raise ConfigError("concentration", self.concentration, "a number above 0")

    @property
    def symbols(self) -> tuple[str, ...]:
        return tuple(string.ascii_lowercase[: self.letters])

    @functools.cached_property
    def length_probs(self) -> np.ndarray:
        """Uniform on 1..L."""
        return np.append(0, np.full(self.max_length, 1 / self.max_length))

    def build(self) -> Predictor:
        rng = np.random.default_rng(self.seed)
        h, law = self.hidden, np.full(self.hidden, self.concentration)
        start, moves = rng.dirichlet(law), rng.dirichlet(law, size=h)
        emit = rng.dirichlet(np.full(self.letters, self.concentration), size=h)
        stop = np.append(0, 1 / np.arange(self.max_length, 0, -1))
        laws = start[None, None], np.ones((1, 1)), moves[None], emit[None], stop, 1 - stop
        leaves = *map(as_log_leaf, laws), jnp.float32(0)
        return Hmm(self.vocabulary, self.max_length, *leaves)
