"""Rules: counter and stack machines over symbols, combined with `&`, `|` and `~`.

A rule compiles to a machine whose state is a short vector of whole numbers (registers). The
machine works on numpy arrays, to explore and count, and on JAX arrays, to judge thousands of
strings under jit. Axes: N string, S symbol, R register.
"""

import abc
import dataclasses
import itertools
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from identjax.errors import ConfigError

Registers = Any
Symbols = tuple[str, ...]


NEVER = np.iinfo(np.int32).max // 2


def _none_needed(state_NxR: np.ndarray) -> np.ndarray:
    return np.zeros(len(state_NxR), np.int32)


class Machine(NamedTuple):
    """What reads: start [R], step(state [N, R], symbol [N]) → [N, R], accepts(state) → [N].

    needs(state) → [N] says how many more symbols acceptance takes at the least (numpy only);
    states that need too many are not explored.
    """

    start: "np.ndarray"
    step: Callable[[Registers, Any], Registers]
    accepts: Callable[[Registers], Any]
    needs: Callable[[np.ndarray], np.ndarray] = _none_needed


class Rule(abc.ABC):
    """A property of strings of symbols, decided by a machine that reads them once.

    Subclasses are frozen dataclasses, so rules are equal and hash by what they say.
    """

    @abc.abstractmethod
    def compile(self, symbols: Symbols, max_length: int) -> Machine:
        """Make the machine for an alphabet, right for strings of up to max_length symbols."""

    def __and__(self, other: "Rule") -> "Rule":
        """Both rules."""
        return Both(self, other)

    def __or__(self, other: "Rule") -> "Rule":
        """At least one of the rules."""
        return ~(~self & ~other)

    def __invert__(self) -> "Rule":
        """Not the rule."""
        return Not(self)


@dataclasses.dataclass(frozen=True)
class Both(Rule):
    """The conjunction of two rules: two machines side by side."""

    left: Rule
    right: Rule

    def compile(self, symbols: Symbols, max_length: int) -> Machine:
        """Put the registers of both in one vector."""
        left, right = (rule.compile(symbols, max_length) for rule in (self.left, self.right))
        at = len(left.start)

        def step(state: Registers, symbol: Any) -> Registers:
            parts = left.step(state[:, :at], symbol), right.step(state[:, at:], symbol)
            return state.__array_namespace__().concatenate(parts, axis=1)

        def accepts(state: Registers) -> Any:
            return left.accepts(state[:, :at]) & right.accepts(state[:, at:])

        def needs(state: np.ndarray) -> np.ndarray:
            return np.maximum(left.needs(state[:, :at]), right.needs(state[:, at:]))

        return Machine(np.concatenate([left.start, right.start]), step, accepts, needs)


@dataclasses.dataclass(frozen=True)
class Not(Rule):
    """The complement of a rule."""

    rule: Rule

    def compile(self, symbols: Symbols, max_length: int) -> Machine:
        """Keep the machine, and accept where it does not."""
        machine = self.rule.compile(symbols, max_length)
        return Machine(machine.start, machine.step, lambda state: ~machine.accepts(state))


@dataclasses.dataclass(frozen=True)
class Finite(Rule):
    """A finite automaton: `rows[q][symbol]` is the next state (itself where not named)."""

    rows: tuple[tuple[tuple[str, int], ...], ...]
    accepting: tuple[int, ...]

    def compile(self, symbols: Symbols, max_length: int) -> Machine:
        """Look the next state up in a table."""
        table = np.repeat(np.arange(len(self.rows), dtype=np.int32)[:, None], len(symbols), 1)
        for q, row in enumerate(self.rows):
            for symbol, target in row:
                table[q, find_symbol(symbols, symbol)] = target
        accepting = np.isin(np.arange(len(self.rows)), self.accepting)

        def step(state: Registers, symbol: Any) -> Registers:
            return state.__array_namespace__().asarray(table)[state[:, 0], symbol][:, None]

        def accepts(state: Registers) -> Any:
            return state.__array_namespace__().asarray(accepting)[state[:, 0]]

        return Machine(np.zeros(1, np.int32), step, accepts)


@dataclasses.dataclass(frozen=True)
class Balance(Rule):
    """A counter that ends at 0; with `floor` it may never go below."""

    up: Symbols
    down: Symbols
    floor: bool = False

    def compile(self, symbols: Symbols, max_length: int) -> Machine:
        """Add up; below the floor, −1 is for good."""
        change = np.zeros(len(symbols), np.int32)
        for names, by in ((self.up, 1), (self.down, -1)):
            for name in names:
                change[find_symbol(symbols, name)] += by

        def step(state: Registers, symbol: Any) -> Registers:
            xp = state.__array_namespace__()
            moved = state + xp.asarray(change)[symbol][:, None]
            return xp.where(state < 0, state, moved) if self.floor else moved

        fastest = max(1, int(np.abs(change).max()))

        def needs(state: np.ndarray) -> np.ndarray:
            left = -(-np.abs(state[:, 0]) // fastest)
            return np.where((state[:, 0] < 0) & self.floor, NEVER, left)

        return Machine(np.zeros(1, np.int32), step, lambda state: state[:, 0] == 0, needs)


@dataclasses.dataclass(frozen=True)
class Nested(Rule):
    """Brackets of several kinds, each closed by its own, innermost first (a stack machine)."""

    pairs: tuple[tuple[str, str], ...]

    def compile(self, symbols: Symbols, max_length: int) -> Machine:
        """Keep the depth (−1: broken) and the open kinds from the bottom; empty cells are −1."""
        opens, closes = (np.full(len(symbols), -1, np.int32) for _ in range(2))
        for kind, (left, right) in enumerate(self.pairs):
            opens[find_symbol(symbols, left)] = kind
            closes[find_symbol(symbols, right)] = kind
        start = np.full(max_length + 1, -1, np.int32)
        start[0] = 0
        places = np.arange(max_length, dtype=np.int32)[None]

        def step(state: Registers, symbol: Any) -> Registers:
            xp = state.__array_namespace__()
            depth, cells = state[:, :1], state[:, 1:]
            opened = xp.asarray(opens)[symbol][:, None]
            closed = xp.asarray(closes)[symbol][:, None]
            at = xp.asarray(places)
            top = xp.max(xp.where(at == depth - 1, cells, -1), axis=1, keepdims=True)
            broken = (depth < 0) | ((closed >= 0) & (closed != top))
            cells = xp.where((opened >= 0) & (at == depth), opened, cells)
            cells = xp.where((closed >= 0) & (at == depth - 1), -1, cells)
            depth = depth + xp.where(opened >= 0, 1, 0) - xp.where(closed >= 0, 1, 0)
            moved = xp.concatenate([depth, cells], axis=1).astype(xp.int32)
            return xp.where(broken, -1, moved)

        def needs(state: np.ndarray) -> np.ndarray:
            return np.where(state[:, 0] < 0, NEVER, state[:, 0])

        return Machine(start, step, lambda state: state[:, 0] == 0, needs)


def find_symbol(symbols: Symbols, name: str) -> int:
    """Give the id of a symbol."""
    if name not in symbols:
        raise ConfigError("symbol", name, f"one of {' '.join(symbols)}")
    return symbols.index(name)


def anything() -> Rule:
    """Every string keeps it."""
    return Finite(((),), (0,))


def even(symbol: str) -> Rule:
    """The symbol occurs an even number of times (0 included)."""
    return Finite((((symbol, 1),), ((symbol, 0),)), (0,))


def contains(symbol: str) -> Rule:
    """The symbol occurs at least once."""
    return Finite((((symbol, 1),), ()), (1,))


def starts_with(symbol: str, alphabet: Iterable[str]) -> Rule:
    """The first symbol is this one; the empty string has none and breaks it."""
    first = tuple((other, 1 if other == symbol else 2) for other in alphabet)
    return Finite((first, (), ()), (1,))


def nonempty(alphabet: Iterable[str]) -> Rule:
    """There is at least one symbol."""
    return Finite((tuple((symbol, 1) for symbol in alphabet), ()), (1,))


def ordered(symbols: Iterable[str]) -> Rule:
    """Runs of the listed symbols, in this order; a run may be empty, a symbol have several runs."""
    runs = tuple(symbols)
    broken = len(runs)
    rows = []
    for q in range(broken):
        later = {symbol: runs.index(symbol, q) if symbol in runs[q:] else broken for symbol in runs}
        rows.append(tuple(later.items()))
    return Finite((*rows, ()), tuple(range(broken)))


def equal_counts(symbols: Iterable[str]) -> Rule:
    """All these symbols occur equally often."""
    first, *others = tuple(symbols)
    if not others:
        raise ConfigError("symbols", first, "two or more symbols to compare")
    rule: Rule = Balance((first,), (others[0],))
    for before, after in itertools.pairwise(others):
        rule = rule & Balance((before,), (after,))
    return rule


def matched(pair: Iterable[str]) -> Rule:
    """One kind of bracket is balanced, whatever stands between."""
    left, right = tuple(pair)
    return Balance((left,), (right,), floor=True)


def nested(*pairs: Iterable[str]) -> Rule:
    """Several kinds of brackets are balanced and do not cross."""
    return Nested(tuple((left, right) for left, right in (tuple(pair) for pair in pairs)))
