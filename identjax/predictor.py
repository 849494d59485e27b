"""Predictors: everything that gives a law of the next token, and what can be done with one.

A Predictor is a frozen pytree: its leaves are its numbers, its static part is its shape. A stack
of predictors is therefore the same pytree with a leading axis, and each function here can be
vmapped over it. Axes: M member, N sequence, T position, V vocabulary.
"""

import abc
import functools
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
from jax import lax

from identjax.errors import ConfigError
from identjax.vocabulary import Vocabulary

State = Any
P = TypeVar("P", bound="Predictor")


class Completions(NamedTuple):
    """Prompts with their continuations: tokens [N, max_length+2], and which reached EOS [N]."""

    tokens: jax.Array
    finished: jax.Array


class Estimate(NamedTuple):
    """A number and its standard error, 0 where it is exact."""

    value: jax.Array
    stderr: jax.Array


class Predictor(abc.ABC):
    """A law of the next token given those read so far, normalised in every live state.

    `start` has read nothing and BOS is advanced first. BOS always has log probability −inf, and so
    has PAD before EOS; after EOS, PAD has probability one. `start`, `advance` and `log_probs` are
    for one sequence. Subclasses are frozen dataclasses registered as pytrees.
    """

    vocabulary: Vocabulary
    max_length: int

    @abc.abstractmethod
    def start(self) -> State:
        """Give the state in which nothing has been read."""

    @abc.abstractmethod
    def advance(self, state: State, token: jax.Array) -> State:
        """Give the state after one more token."""

    @abc.abstractmethod
    def log_probs(self, state: State) -> jax.Array:
        """Give log p over the next token, [V]."""

    def score(self, tokens_NxT: jax.Array) -> jax.Array:
        """Give log p(next token | tokens up to and with this one) at every position, [N, T, V]."""
        return score_by_scan(self, tokens_NxT)

    @functools.partial(jax.jit, static_argnames=("n",))
    def sample(self, key: jax.Array, n: int) -> jax.Array:
        """Draw n strings, [n, max_length+2]: BOS, symbols, EOS, PAD; cut off at max_length."""
        prompts = jnp.full((n, 1), self.vocabulary.bos, jnp.int32)
        return complete(self, prompts, key).tokens


class Wrapper(Predictor):
    """A predictor made of something inside it, whose vocabulary and maximum length it has.

    It also starts, advances and gives laws as that does, unless a class says otherwise.
    """

    core: Any

    @property
    def inner(self) -> Any:
        """What is inside: `core`, unless a class says otherwise."""
        return self.core

    # Others declare these as fields, which no property of a base class would let them set.
    @property
    def vocabulary(self) -> Vocabulary:  # type: ignore[override]
        """That of what is inside."""
        return self.inner.vocabulary

    @property
    def max_length(self) -> int:  # type: ignore[override]
        """That of what is inside."""
        return self.inner.max_length

    def start(self) -> State:
        return self.inner.start()

    def advance(self, state: State, token: jax.Array) -> State:
        return self.inner.advance(state, token)

    def log_probs(self, state: State) -> jax.Array:
        return self.inner.log_probs(state)


@jax.jit
def score_by_scan(predictor: Predictor, tokens_NxT: jax.Array) -> jax.Array:
    """Score by advancing token after token: the meaning of `score`, for any predictor."""

    def step(state: State, token: jax.Array) -> tuple[State, jax.Array]:
        state = predictor.advance(state, token)
        return state, predictor.log_probs(state)

    return jax.vmap(lambda tokens_T: lax.scan(step, predictor.start(), tokens_T)[1])(tokens_NxT)


@jax.jit
def complete(
    predictor: Predictor, prompts_NxP: jax.Array, key: jax.Array | None = None
) -> Completions:
    """Continue prompts (BOS first, one length) greedily, or by sampling if there is a key."""
    stack = jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], predictor)
    keys_M = None if key is None else key[None]
    return Completions(*(leaf[0] for leaf in complete_stack(stack, prompts_NxP, keys_M)))


@jax.jit
def complete_stack(
    stack: Predictor,
    prompts_NxP: jax.Array,
    keys_M: jax.Array | None = None,
    lengths_N: jax.Array | None = None,
) -> Completions:
    """Continue the same prompts with every member of a stack: tokens [M, N, L+2], finished [M, N].

    A continuation that has max_length symbols without EOS, or that a dead truth cannot continue,
    is filled with PAD and is not finished. The loop is outermost and stops when every continuation
    of every member is finished, because a vmapped while loop would copy its whole carry each time.
    Prompts of several lengths have PAD behind them, and `lengths_N` has the tokens of each.
    """
    length, (eos, pad) = stack.max_length + 2, (stack.vocabulary.eos, stack.vocabulary.pad)
    n, p = _measure_prompts(prompts_NxP, length)
    given_1xN = jnp.full((1, n), p) if lengths_N is None else lengths_N[None]
    m = jax.tree.leaves(stack)[0].shape[0]
    advance = _over_members_and_rows(lambda one, state, token: one.advance(state, token))
    log_probs = _over_members_and_rows(lambda one, state: one.log_probs(state))
    begin = _over_members_and_rows(lambda one, _: one.start())
    prompts_MxNxP = jnp.broadcast_to(prompts_NxP, (m, n, p))
    tokens = jnp.full((m, n, length), pad, jnp.int32).at[:, :, :p].set(prompts_MxNxP)

    def unfinished(carry: tuple[Any, ...]) -> jax.Array:
        t, finished_MxN = carry[0], carry[3]
        return (t < length) & ~finished_MxN.all()

    def step(carry: tuple[Any, ...]) -> tuple[Any, ...]:
        t, state, tokens, finished_MxN = carry
        log_p_MxNxV, told_1xN = log_probs(stack, state), t < given_1xN
        token_MxN = lax.dynamic_index_in_dim(tokens, t, 2, keepdims=False)
        token_MxN = jnp.where(told_1xN, token_MxN, _choose(log_p_MxNxV, keys_M, t))
        ends_MxN = ~finished_MxN & (token_MxN == eos)
        dead_MxN = (log_p_MxNxV == -jnp.inf).all(-1)
        stop_MxN = finished_MxN | dead_MxN | ((t == length - 1) & ~ends_MxN)
        token_MxN = jnp.where(stop_MxN & ~told_1xN, pad, token_MxN)
        tokens = lax.dynamic_update_index_in_dim(tokens, token_MxN, t, 2)
        return t + 1, advance(stack, state, token_MxN), tokens, finished_MxN | ends_MxN

    state, done_MxN = begin(stack, tokens[:, :, 0]), (prompts_MxNxP == eos).any(-1)
    # Prompts are read in the same loop: a second one would be traced and compiled as well.
    _, _, *found = lax.while_loop(unfinished, step, (jnp.int32(0), state, tokens, done_MxN))
    return Completions(*found)


def _measure_prompts(prompts_NxP: jax.Array, length: int) -> tuple[int, int]:
    n, p = prompts_NxP.shape
    if p > length:
        longest = f"at most {length - 2} symbols, the maximum length"
        raise ConfigError("prompt length", p - 1, longest)
    return n, p


def _over_members_and_rows(function: Callable[..., Any]) -> Callable[..., Any]:
    """Map a function of one predictor, and of what else differs by member and row."""

    def mapped(stack: Predictor, *rest: Any) -> Any:
        by_row = jax.vmap(function, (None, *(0 for _ in rest)))
        return jax.vmap(by_row)(stack, *rest)

    return mapped


def _choose(log_p_MxNxV: jax.Array, keys_M: jax.Array | None, t: jax.Array) -> jax.Array:
    if keys_M is None:
        return jnp.argmax(log_p_MxNxV, -1).astype(jnp.int32)
    rows_N = jnp.arange(log_p_MxNxV.shape[1])

    def draw(key: jax.Array, row: jax.Array, log_p_V: jax.Array) -> jax.Array:
        row_key = jax.random.fold_in(jax.random.fold_in(key, row), t)
        return jax.random.categorical(row_key, log_p_V).astype(jnp.int32)

    return jax.vmap(jax.vmap(draw, (None, 0, 0)), (0, None, 0))(keys_M, rows_N, log_p_MxNxV)


@jax.jit
def kl(
    p: Predictor, q: Predictor, tokens_NxT: jax.Array, log_weights_N: jax.Array | None = None
) -> Estimate:
    """KL(p‖q) in nats per sequence, with an exact sum over the next token at every prefix.

    KL(p‖q) = E_{x∼p} Σ_t Σ_o p(o|x_≤t) log(p(o|x_≤t)/q(o|x_≤t)). With the log probabilities of
    all strings of p's support as weights it is exact; otherwise tokens are draws from p, and the
    standard error is that of the mean over them.
    """
    log_p_NxTxV, log_q_NxTxV = p.score(tokens_NxT), q.score(tokens_NxT)
    possible = log_p_NxTxV > -jnp.inf
    gap = jnp.where(possible, log_p_NxTxV, 0) - jnp.where(possible, log_q_NxTxV, 0)
    per_string_N = jnp.sum(jnp.where(possible, jnp.exp(log_p_NxTxV) * gap, 0), (-2, -1))
    if log_weights_N is not None:
        value = jnp.sum(jnp.exp(log_weights_N) * per_string_N)
        return Estimate(value, jnp.zeros_like(value))
    n = per_string_N.shape[0]
    return Estimate(per_string_N.mean(), per_string_N.std(ddof=1) / jnp.sqrt(1.0 * n))
