"""Random automata: one (random_dfa), and sequences of strings of one from a pool (regbench)."""

import dataclasses
import functools
import string
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from identjax.languages.definition import ListedDefinition, register
from identjax.languages.law.automaton import AutomatonDefinition
from identjax.languages.law.base import as_leaf
from identjax.languages.law.graph import NONE
from identjax.languages.law.lookup import TableLaw, draw_from_tables, make_table
from identjax.languages.rules import Finite, Rule, nonempty
from identjax.mixture import Mixture
from identjax.predictor import Predictor

LONGEST = 49
SEPARATOR = "|"


class Dfa(NamedTuple):
    """next_state [Q, S], −1 where there is no edge; all states accept, 0 is the start."""

    next_state: np.ndarray

    @property
    def log_choice(self) -> np.ndarray:
        """Log of the uniform law over outgoing symbols, [Q, S]."""
        edge = self.next_state != NONE
        return np.where(edge, -np.log(np.maximum(edge.sum(1, keepdims=True), 1)), -np.inf)


def draw_dfa(seed: tuple[int, ...], symbols: int, states: int) -> Dfa:
    """Draw a DFA as RegBench does, trimmed and minimal.

    4 to `states` states, an alphabet of 4 to `symbols`, 1 to 3 outgoing edges of each state to
    distinct other states under distinct symbols (Akyürek et al. 2024).
    """
    rng = np.random.default_rng(seed)
    q = int(rng.integers(min(4, states), states + 1))
    alphabet = rng.permutation(symbols)[: rng.integers(min(4, symbols), symbols + 1)]
    table = np.full((q, symbols), NONE)
    for state in range(q):
        edges = int(rng.integers(1, min(3, q - 1, len(alphabet)) + 1))
        others = rng.permutation(np.delete(np.arange(q), state))[:edges]
        table[state, rng.permutation(alphabet)[:edges]] = others
    return minimise(Dfa(table))


def minimise(dfa: Dfa) -> Dfa:
    """Merge states that no string tells apart, and drop those that are never reached."""
    table = dfa.next_state
    block = np.zeros(len(table), int)
    while True:
        seen = np.where(table == NONE, NONE, block[table])
        _, finer = np.unique(np.column_stack([block, seen]), axis=0, return_inverse=True)
        if finer.max() == block.max():
            break
        block = finer.ravel()
    order: dict[int, int] = {int(block[0]): 0}
    rows, queue = [], [0]
    for state in queue:
        row = []
        for target in table[state]:
            if target != NONE and int(block[target]) not in order:
                order[int(block[target])] = len(order)
                queue.append(int(target))
            row.append(NONE if target == NONE else order[int(block[target])])
        rows.append(row)
    return Dfa(np.array(rows))


@register("random_dfa")
@dataclasses.dataclass(frozen=True)
class RandomDfa(AutomatonDefinition):
    """Strings of one random DFA: length uniform on 1..min(49, L), then symbols uniform over the
    outgoing edges of the state. State: the length, and the DFA's own.
    """

    seed: int = 0
    letters: int = 18
    states: int = 12
    chomsky: ClassVar[str] = "regular"
    start: ClassVar[Any] = (0, 0)

    def check(self) -> None:
        self.check_whole(seed=(0, 2**31), letters=(1, 26), states=(2, 64))

    @property
    def symbols(self) -> tuple[str, ...]:
        return tuple(string.ascii_lowercase[: self.letters])

    @functools.cached_property
    def dfa(self) -> Dfa:
        """The automaton of the seed."""
        return draw_dfa((self.seed,), self.letters, self.states)

    @property
    def longest(self) -> int:
        """The length of the longest strings."""
        return min(LONGEST, self.max_length)

    def step(self, states: np.ndarray, symbol: int) -> tuple[np.ndarray, np.ndarray]:
        length, q = states.T
        moved = np.column_stack([length + 1, self.dfa.next_state[q, symbol]])
        return moved, np.where(length < self.longest, self.dfa.log_choice[q, symbol], -np.inf)

    def weigh(self, states: np.ndarray) -> np.ndarray:
        """End after any symbol, at every length alike."""
        return np.where(states[:, 0] > 0, -np.log(self.longest), -np.inf)

    @property
    def rules(self) -> Mapping[str, Rule]:
        """R1: the DFA has the path. R2: not empty."""
        return {"R1": _path_rule(self.dfa, self.symbols), "R2": nonempty(self.symbols)}


def _path_rule(dfa: Dfa, symbols: tuple[str, ...]) -> Rule:
    broken = len(dfa.next_state)
    rows = [
        tuple((s, broken if t == NONE else int(t)) for s, t in zip(symbols, row, strict=True))
        for row in dfa.next_state
    ]
    return Finite((*rows, ()), tuple(range(broken)))


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class TablePool(Mixture):
    """A mixture of a stack of tables, drawn from without a posterior."""

    @functools.partial(jax.jit, static_argnames=("n",))
    def sample(self, key: jax.Array, n: int) -> jax.Array:
        """Choose a table for each string, then follow it."""
        which_key, string_key = (jax.random.fold_in(key, purpose) for purpose in range(2))
        which_N = jax.random.categorical(which_key, self.log_weights, shape=(n,))
        return draw_from_tables(self.components, string_key, which_N.astype(jnp.int32))


@register("regbench")
@dataclasses.dataclass(frozen=True)
class RegBench(ListedDefinition):
    """Sequences of strings of one DFA from a pool, joined by "|" (Akyürek et al. 2024).

    The DFA is uniform over a pool of random ones, so that exact Bayes is a mixture; the number
    of strings is uniform on `fewest`..`most_strings`, the length of each on 1..`longest`, its
    symbols are uniform over outgoing edges. longest=0 takes what fits, 49 at most.
    """

    pool: int = 8
    seed: int = 0
    letters: int = 18
    states: int = 12
    fewest: int = 10
    most_strings: int = 19
    longest: int = 0
    chomsky: ClassVar[str] = "regular"
    why_no_rules: ClassVar[str] = "None: what is legal depends on the hidden DFA."

    def check(self) -> None:
        """Refuse sizes out of range, and sequences that do not fit."""
        self.check_whole(
            pool=(1, 4096),
            seed=(0, 2**31),
            letters=(1, 26),
            states=(2, 64),
            most_strings=(1, 1000),
            longest=(0, 10**4),
        )
        self.check_whole(fewest=(1, self.most_strings))

    @property
    def least(self) -> int:
        """The longest sequence must fit."""
        return self.most_strings * (max(self.longest, 1) + 1) - 1

    @property
    def symbols(self) -> tuple[str, ...]:
        return (*string.ascii_lowercase[: self.letters], SEPARATOR)

    @property
    def length_of_strings(self) -> int:
        """The length of the longest strings."""
        return self.longest or min(LONGEST, (self.max_length + 1) // self.most_strings - 1)

    @functools.cached_property
    def dfas(self) -> list[Dfa]:
        """The pool."""
        seeds = range(self.pool)
        return [draw_dfa((self.seed, i), self.letters, self.states) for i in seeds]

    @functools.cached_property
    def length_probs(self) -> np.ndarray:
        """The law of a sum of lengths and separators."""
        one = np.append(np.zeros(2), np.full(self.length_of_strings, 1 / self.length_of_strings))
        found, total = np.zeros(self.max_length + 2), np.ones(1)
        for n in range(1, self.most_strings + 1):
            total = np.convolve(total, one)
            if n >= self.fewest:
                found[: len(total)] += total
        share = self.most_strings - self.fewest + 1
        return found[1:] / share

    def build(self) -> Predictor:
        rows = max(len(dfa.next_state) for dfa in self.dfas)
        tables = [self._table(dfa, rows) for dfa in self.dfas]
        stack = jax.tree.map(lambda *leaves: as_leaf(np.stack(leaves)), *tables)
        return TablePool(stack, as_leaf(np.full(self.pool, -np.log(self.pool)), jnp.float32))

    def _table(self, dfa: Dfa, rows: int) -> TableLaw:
        """Lay out (string, place in it, DFA state), with `rows` for the last of these."""
        strings, longest, letters = self.most_strings, self.length_of_strings, self.letters
        next_state = np.full((strings, longest + 1, rows, letters + 1), NONE)
        log_p = np.full((strings, longest + 1, rows, letters + 2), -np.inf)
        index = np.arange(strings * (longest + 1) * rows).reshape(strings, longest + 1, rows)
        q = len(dfa.next_state)
        for i in range(strings):
            stop = 1 / (strings - i) if i + 1 >= self.fewest else 0.0
            for place in range(longest + 1):
                ends = 1 / (longest - place + 1) if place else 0.0
                with np.errstate(divide="ignore"):
                    log_goes = np.log(1 - ends)
                    log_p[i, place, :q, -2:] = np.log([ends * (1 - stop), ends * stop])
                log_p[i, place, :q, :letters] = log_goes + dfa.log_choice
                if place < longest:
                    targets = index[i, place + 1][dfa.next_state]
                    next_state[i, place, :q, :letters] = np.where(
                        dfa.next_state == NONE, NONE, targets
                    )
                if i + 1 < strings:
                    next_state[i, place, :q, letters] = index[i + 1, 0, 0]
        flat = next_state.reshape(-1, letters + 1), log_p.reshape(-1, letters + 2)
        return make_table(*flat, self.vocabulary, self.max_length)
