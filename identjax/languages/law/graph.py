"""Weighted acyclic automata: exact conditionals, entropy, counts and supports.

A state is reached only by prefixes of one length (its level), so all passes go level by level.
Everything is float64 in logs on the host. Axes: Q state, S symbol, T position.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import logsumexp

from identjax.errors import ConfigError
from identjax.vocabulary import Tokens, Vocabulary

MOST_STATES = 4_000_000
NONE = -1
Support = tuple[Tokens, np.ndarray]
Step = Callable[[np.ndarray, int], tuple[np.ndarray, np.ndarray]]


@dataclasses.dataclass(frozen=True, eq=False)
class Graph:
    """A deterministic automaton over prefixes; p(string) ∝ the product of its weights.

    next_state [Q, S] (−1: no edge), log_edge [Q, S], log_final [Q]; states are sorted by level
    and bounds[l] : bounds[l + 1] are those of level l. State 0 is the start.
    """

    next_state: np.ndarray
    log_edge: np.ndarray
    log_final: np.ndarray
    bounds: np.ndarray

    @property
    def levels(self) -> list[slice]:
        """The states of each level."""
        return [slice(a, b) for a, b in zip(self.bounds, self.bounds[1:], strict=False)]

    @functools.cached_property
    def log_backward(self) -> np.ndarray:
        """Log of the total weight of all ways to finish from each state, [Q]."""
        found = np.full(len(self.log_final) + 1, -np.inf)
        for level in reversed(self.levels):
            onward = self.log_edge[level] + found[self.next_state[level]]
            found[level] = log_add(np.column_stack([self.log_final[level], onward]))
        return found[:-1]

    @functools.cached_property
    def log_p(self) -> np.ndarray:
        """Log p(next symbol or EOS | state), [Q, S+1]; −inf throughout in dead states."""
        back = np.append(self.log_backward, -np.inf)
        joint = np.column_stack([self.log_edge + back[self.next_state], self.log_final])
        here = np.where(back[:-1] > -np.inf, back[:-1], 0)[:, None]
        return joint - here

    @functools.cached_property
    def reach(self) -> np.ndarray:
        """Probability that a string passes through each state, [Q]."""
        found = np.zeros(len(self.log_final) + 1)
        found[0] = 1
        p = np.exp(self.log_p)
        for level in self.levels:
            for s in range(self.next_state.shape[1]):
                flow = np.where(self.next_state[level, s] == NONE, 0, found[level] * p[level, s])
                np.add.at(found, self.next_state[level, s], flow)
        return found[:-1]

    @functools.cached_property
    def entropy(self) -> float:
        """Nats per string: Σ_q p(q) H(next | q)."""
        return float(self.reach @ entropy_of(self.log_p))

    def length_probs_up_to(self, length: int) -> np.ndarray:
        """The law of the number of symbols, [length+1]."""
        ends = self.reach * np.exp(self.log_p[:, -1])
        found = [ends[level].sum() for level in self.levels]
        return np.pad(found, (0, length + 1 - len(found)))

    @functools.cached_property
    def count(self) -> int:
        """The number of strings, exact."""
        found = np.zeros(len(self.log_final) + 1, object)
        final = (self.log_final > -np.inf).astype(int).astype(object)
        for level in reversed(self.levels):
            onward = np.where(self.log_edge[level] > -np.inf, found[self.next_state[level]], 0)
            found[level] = final[level] + onward.sum(1)
        return int(found[0])

    def enumerate(self, vocabulary: Vocabulary, length: int) -> Support:
        """List every string with its log probability."""
        found = list_strings(
            vocabulary,
            length,
            np.zeros(1, int),
            lambda states: self.log_p[states],
            lambda states, parent, symbol: self.next_state[states[parent], symbol],
        )
        assert found is not None, "no limit is given"
        return found


def list_strings(
    vocabulary: Vocabulary,
    length: int,
    states: Any,
    law: Callable[[Any], np.ndarray],
    move: Callable[[Any, np.ndarray, np.ndarray], Any],
    most: float = np.inf,
) -> Support | None:
    """List strings as tokens [n, length+2] with log p, by length and then symbols.

    `states` hold those after BOS; law(states) gives log p over symbols and EOS, [n, S+1], and
    move(states, parent, symbol) those one symbol on. None where a length has over `most` prefixes.
    """
    prefixes, logs, rows, log_ps = np.zeros((1, 0), np.int32), np.zeros(1), [], []
    for _ in range(length + 1):
        log_p = law(states)
        ends = log_p[:, -1] > -np.inf
        rows.append(frame(vocabulary, prefixes[ends], length))
        log_ps.append(logs[ends] + log_p[ends, -1])
        step = logs[:, None] + log_p[:, :-1]
        parent, symbol = np.nonzero(step > -np.inf)
        if not len(parent):
            break
        if len(parent) > most:
            return None
        prefixes = np.column_stack([prefixes[parent], symbol]).astype(np.int32)
        logs, states = step[parent, symbol], move(states, parent, symbol)
    return np.concatenate(rows), np.concatenate(log_ps)


def frame(vocabulary: Vocabulary, symbols_NxL: np.ndarray, length: int) -> Tokens:
    """Put BOS before and EOS and PAD after strings of one length: [N, length+2]."""
    n, size = symbols_NxL.shape
    tokens = np.full((n, length + 2), vocabulary.pad, np.int32)
    tokens[:, 0] = vocabulary.bos
    tokens[:, 1 : size + 1] = symbols_NxL
    tokens[:, size + 1] = vocabulary.eos
    return tokens


def explore(
    start: Any, step: Step, weigh: Callable[[np.ndarray], np.ndarray], symbols: int, length: int
) -> Graph:
    """Build the graph of a machine with registers, breadth first up to a length.

    step(states [F, R], symbol) gives the next states and their log edge weights (−inf: none);
    weigh(states) gives log final weights.
    """
    frontier = np.asarray(start, np.int64).reshape(1, -1)
    nexts, edges, finals, sizes = [], [], [], [0]
    for level in range(length + 1):
        n, total = len(frontier), sizes[-1] + len(frontier)
        finals.append(weigh(frontier))
        sizes.append(total)
        if total > MOST_STATES:
            raise ConfigError("max_length", length, f"a language of at most {MOST_STATES} states")
        moved = [step(frontier, s) for s in range(symbols)] if level < length else []
        log_edge = np.full((n, symbols), -np.inf)
        for s, (_, weights) in enumerate(moved):
            log_edge[:, s] = weights
        edges.append(log_edge)
        live = log_edge.T.ravel() > -np.inf
        targets = np.full(n * symbols, NONE)
        if live.any():
            children = np.concatenate([states for states, _ in moved])[live]
            frontier, inverse = unique_rows(children)
            targets[live] = total + inverse
        nexts.append(targets.reshape(symbols, n).T)
        if not live.any():
            break
    parts = (np.concatenate(nexts), np.concatenate(edges), np.concatenate(finals))
    return Graph(*parts, np.array(sizes))


def unique_rows(rows_NxR: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the distinct rows, and which of them each row is."""
    low, high = rows_NxR.min(0), rows_NxR.max(0)
    spans = [int(span) for span in high - low + 1]
    if np.prod([float(span) for span in spans]) > 2.0**62:
        distinct, inverse = np.unique(rows_NxR, axis=0, return_inverse=True)
        return distinct, inverse.ravel()
    code = np.zeros(len(rows_NxR), np.int64)
    for column, span in enumerate(spans):
        code = code * span + (rows_NxR[:, column] - low[column])
    _, first, inverse = np.unique(code, return_index=True, return_inverse=True)
    return rows_NxR[first], inverse.ravel()


def even_out(counts: Graph) -> Graph:
    """Change the final weights of a graph whose strings are alike, so that lengths are so too."""
    log_final = counts.log_final.copy()
    log_flow = np.full(len(log_final) + 1, -np.inf)
    log_flow[0] = 0
    for level in counts.levels:
        log_n = np.logaddexp.reduce(log_flow[level] + counts.log_final[level])
        log_final[level] -= log_n if log_n > -np.inf else 0
        for s in range(counts.next_state.shape[1]):
            flow = log_flow[level] + counts.log_edge[level, s]
            np.logaddexp.at(log_flow, counts.next_state[level, s], flow)
            log_flow[-1] = -np.inf
    return dataclasses.replace(counts, log_final=log_final)


def log_add(rows_NxK: np.ndarray) -> np.ndarray:
    """Log of the sum of exponentials along the last axis; −inf where all are."""
    with np.errstate(divide="ignore"):
        return np.asarray(logsumexp(rows_NxK, axis=-1))


def entropy_of(log_p: np.ndarray) -> np.ndarray:
    """−Σ p log p along the last axis."""
    finite = np.where(log_p > -np.inf, log_p, 0)
    return -(np.where(log_p > -np.inf, np.exp(log_p), 0) * finite).sum(-1)
