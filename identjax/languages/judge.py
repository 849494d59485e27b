"""Rules at work on tokens: judging strings, and what a rule's machine can still reach.

Axes: N string, T position, S symbol, R register, Q machine state.
"""

import dataclasses
import functools
from collections.abc import Hashable, Iterable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from identjax.errors import ConfigError
from identjax.languages.law.graph import MOST_STATES, NONE, unique_rows
from identjax.languages.rules import NEVER, Machine, Rule
from identjax.vocabulary import Tokens, Vocabulary


class Reach(NamedTuple):
    """A rule's machine as a table: next_state [Q, S], accepts [Q], symbols to acceptance [Q].

    State 0 is the start. The last state stands for all that cannot accept in time.
    """

    next_state: np.ndarray
    accepts: np.ndarray
    distance: np.ndarray


@dataclasses.dataclass(frozen=True)
class BoundRule:
    """A rule with the vocabulary and the maximum length that it judges.

    >>> from identjax.languages.rules import equal_counts, ordered
    >>> v = Vocabulary(("a", "b"))
    >>> rule = BoundRule(equal_counts("ab") & ordered("ab"), v, 8)
    >>> strings = np.array([[v.bos, 0, 0, 1, 1, v.eos], [v.bos, 0, 1, 0, v.eos, v.pad]])
    >>> rule.holds(strings).tolist()
    [True, False]
    """

    rule: Rule
    vocabulary: Vocabulary
    max_length: int

    def holds(self, tokens_NxT: jax.Array | Tokens, start: int = 0) -> jax.Array:
        """Judge the symbols from token position `start` on (BOS is at 0) up to the first EOS."""
        check_tokens(self.vocabulary, tokens_NxT)
        return _run(self, jnp.asarray(tokens_NxT, jnp.int32), jnp.int32(start))

    def satisfiable(self, tokens_NxT: Tokens, start: int = 0) -> np.ndarray:
        """Tell after which prefixes (no EOS) some continuation within max_length makes it hold."""
        prompts_NxT = np.asarray(tokens_NxT)
        left_N = self.max_length - (prompts_NxT < self.vocabulary.eos).sum(1)
        return self.reach.distance[self.states(prompts_NxT, start)] <= left_N

    def states(self, tokens_NxT: Tokens, start: int = 0) -> np.ndarray:
        """Give the machine's states (rows of `reach`) after the symbols of prefixes, [N]."""
        prompts_NxT = np.asarray(tokens_NxT)
        check_tokens(self.vocabulary, prompts_NxT)
        state_N = np.zeros(len(prompts_NxT), np.int32)
        for symbol_N in prompts_NxT[:, start:].T:
            is_symbol_N = symbol_N < self.vocabulary.eos
            moved_N = self.reach.next_state[state_N, np.where(is_symbol_N, symbol_N, 0)]
            state_N = np.where(is_symbol_N, moved_N, state_N)
        return state_N

    @functools.cached_property
    def reach(self) -> Reach:
        """Explore the machine up to the maximum length."""
        return explore_rule(self.machine, len(self.vocabulary.symbols), self.max_length)

    @property
    def machine(self) -> Machine:
        """The rule's machine for this alphabet."""
        return self.rule.compile(self.vocabulary.symbols, self.max_length)


@functools.lru_cache(maxsize=256)
def bind(rule: Rule, vocabulary: Vocabulary, max_length: int) -> BoundRule:
    """Bind a rule once, so that its machine is explored once."""
    return BoundRule(rule, vocabulary, max_length)


def check_tokens(vocabulary: Vocabulary, tokens: jax.Array | Tokens) -> None:
    """Raise where tokens are outside the vocabulary; under tracing nothing can be said."""
    if isinstance(tokens, jax.core.Tracer):
        return
    found = np.asarray(tokens)
    if not np.issubdtype(found.dtype, np.integer):
        raise ConfigError("tokens", str(found.dtype), "whole numbers")
    bad = found[(found < 0) | (found >= vocabulary.size)]
    if bad.size:
        raise ConfigError("token", int(bad[0]), f"0 to {vocabulary.size - 1}")


@functools.partial(jax.jit, static_argnums=0)
def _run(bound: BoundRule, tokens_NxT: jax.Array, start: jax.Array) -> jax.Array:
    machine, eos = bound.machine, bound.vocabulary.eos
    n, length = tokens_NxT.shape
    state_NxR = jnp.broadcast_to(jnp.asarray(machine.start)[None], (n, len(machine.start)))
    open_NxT = jnp.cumsum(tokens_NxT == eos, 1, dtype=jnp.int32) == 0
    reads_NxT = (tokens_NxT < eos) & open_NxT & (jnp.arange(length) >= start)[None]

    def step(state_NxR: jax.Array, column: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, None]:
        token_N, reads_N = column
        moved_NxR = machine.step(state_NxR, jnp.where(reads_N, token_N, 0))
        return jnp.where(reads_N[:, None], moved_NxR, state_NxR), None

    state_NxR, _ = lax.scan(step, state_NxR, (tokens_NxT.T, reads_NxT.T))
    return machine.accepts(state_NxR)


def explore_rule(machine: Machine, n_symbols: int, max_length: int) -> Reach:
    """List the states that strings of up to max_length symbols reach, breadth first."""
    frontier = machine.start[None].astype(np.int32)
    known = dict.fromkeys(key_rows(frontier), 0)
    states, rows = [frontier], []
    for level in range(1, max_length + 1):
        n = len(frontier)
        parents, symbols = np.repeat(frontier, n_symbols, 0), np.tile(np.arange(n_symbols), n)
        children, which = unique_rows(machine.step(parents, symbols).astype(np.int32))
        before = len(known)
        fits = machine.needs(children) <= max_length - level
        keys = key_rows(children[fits])
        ids = np.full(len(children), NONE)
        ids[fits] = [known.setdefault(key, len(known)) for key in keys]
        rows.append(ids[which].reshape(n, n_symbols))
        frontier = children[ids >= before]
        if not len(frontier):
            break
        if len(known) > MOST_STATES:
            raise ConfigError("max_length", max_length, f"a rule with at most {MOST_STATES} states")
        states.append(frontier)
    beyond = len(known)
    table = np.concatenate(rows) if rows else np.zeros((0, n_symbols), int)
    missing = np.full((beyond + 1 - len(table), n_symbols), beyond)
    whole = np.concatenate([table, missing])
    next_state = np.where(whole == NONE, beyond, whole).astype(np.int32)
    accepts = np.append(machine.accepts(np.concatenate(states)), False)
    return Reach(next_state, accepts, measure_distance(next_state, accepts))


def key_rows(rows_NxR: np.ndarray) -> Iterable[Hashable]:
    """Give a key for each row, equal for equal rows only."""
    if rows_NxR.shape[1] <= 4 and np.abs(rows_NxR).max(initial=0) < 2**15:
        short = np.zeros((len(rows_NxR), 4), np.int16)
        short[:, : rows_NxR.shape[1]] = rows_NxR
        keys: list[Hashable] = short.view(np.int64)[:, 0].tolist()
        return keys
    wide = np.ascontiguousarray(rows_NxR, np.int32)
    return [row.tobytes() for row in wide]


def measure_distance(next_state_QxS: np.ndarray, accepts_Q: np.ndarray) -> np.ndarray:
    """Count the fewest symbols from each state to an accepting one, NEVER where there is none."""
    targets = next_state_QxS.ravel()
    into = np.argsort(targets, kind="stable")
    begins = np.searchsorted(targets[into], np.arange(len(accepts_Q) + 1))
    distance_Q = np.where(accepts_Q, 0, NEVER).astype(np.int32)
    frontier, steps = np.flatnonzero(accepts_Q), 0
    while len(frontier):
        steps += 1
        edges = np.concatenate([into[begins[q] : begins[q + 1]] for q in frontier])
        sources = np.unique(edges // next_state_QxS.shape[1])
        frontier = sources[distance_Q[sources] == NEVER]
        distance_Q[frontier] = steps
    return distance_Q
