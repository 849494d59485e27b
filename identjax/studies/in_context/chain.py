"""GINC's smoothed chain on the host in float64: laws, and exact work under constraints.

A constraint [T, O] says which symbols may stand at each place. Axes: K concept, A and B the two
parts of a hidden state, N string, T place, O symbol.
"""

import dataclasses

import numpy as np

from identjax.errors import ConfigError
from identjax.languages.known.ginc import CONCEPTS, ENTITIES, SLOTS, Ginc

STATES = ENTITIES * SLOTS


@dataclasses.dataclass(frozen=True, eq=False)
class Chain:
    """p(x) = Σ_k Σ_h π_k(h_1) Π (1−ε) T_k(h_t, h_t+1) + ε/100 over paths that emit x.

    start [K, A, B] adds up to one, v [A, A], s [K, B, B], memory [A, B] is what a state emits.
    """

    start: np.ndarray
    v: np.ndarray
    s: np.ndarray
    memory: np.ndarray
    smoothing: float
    words: int

    @classmethod
    def of(cls, definition: Ginc) -> "Chain":
        """Take the numbers of a GINC language; its chain must be smoothed."""
        if not definition.smoothing > 0:
            allowed = "above 0: many prompts are impossible under the chain itself"
            raise ConfigError("smoothing", definition.smoothing, allowed)
        p = definition.parts
        start, s = p.start[:CONCEPTS] / CONCEPTS, p.s[:CONCEPTS]
        return cls(start, p.v, s, p.memory, definition.smoothing, definition.words)

    @property
    def second_floor(self) -> float:
        """The least that the second likeliest symbol can have after any prompt.

        Every symbol has at least ε/100 for each state that emits it, so the second largest
        probability is at least the second largest of these.
        """
        cells = np.bincount(self.memory.ravel(), minlength=self.words)
        return float(self.smoothing * np.sort(cells)[-2] / STATES)

    def laws(self, symbols_NxT: np.ndarray) -> np.ndarray:
        """p(next symbol | the first t), for t from 0 to T, [N, T+1, O]."""
        belief = np.broadcast_to(self.start, (len(symbols_NxT), *self.start.shape))
        found = [self._emit(belief)]
        for symbol_N in symbols_NxT.T:
            seen = belief * (self.memory == symbol_N[:, None, None])[:, None]
            belief = self._move(seen / seen.sum((1, 2, 3), keepdims=True))
            found.append(self._emit(belief))
        return np.stack(found, 1)

    def log_mass(self, allowed_TxO: np.ndarray) -> float:
        """Log probability that every place has an allowed symbol: a constrained forward pass."""
        belief, log_mass = self.start, 0.0
        for allowed_O in allowed_TxO:
            seen = belief * allowed_O[self.memory]
            log_mass += float(np.log(seen.sum()))
            belief = self._move(seen / seen.sum())
        # Rounding must not make it more than everything.
        return min(log_mass, 0.0)

    def draw(self, allowed_TxO: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
        """Draw strings from p(· | allowed), exactly: weights backward, then states forward."""
        ahead_TxKxAxB = self._look_ahead(allowed_TxO)
        joint = (self.start * ahead_TxKxAxB[0]).reshape(1, -1)
        state_N = _choose(np.repeat(joint, n, 0), rng)
        k_N, state_N = state_N // STATES, state_N % STATES
        found = [self.memory.ravel()[state_N]]
        for ahead_KxAxB in ahead_TxKxAxB[1:]:
            a_N, b_N = state_N // SLOTS, state_N % SLOTS
            moves = self.v[a_N][:, :, None] * self.s[k_N, b_N][:, None]
            moves = (1 - self.smoothing) * moves + self.smoothing / STATES
            state_N = _choose((moves * ahead_KxAxB[k_N]).reshape(n, -1), rng)
            found.append(self.memory.ravel()[state_N])
        return np.stack(found, 1)

    def _look_ahead(self, allowed_TxO: np.ndarray) -> np.ndarray:
        """Weight of each state at each place: allowed here, times what is left, [T, K, A, B]."""
        rest = np.ones_like(self.start)
        found = []
        for allowed_O in allowed_TxO[::-1]:
            here = rest * allowed_O[self.memory]
            here = here / here.max()
            found.append(here)
            back = np.einsum("ac,kcd,kbd->kab", self.v, here, self.s)
            mean = here.mean((-2, -1), keepdims=True)
            rest = (1 - self.smoothing) * back + self.smoothing * mean
        return np.stack(found[::-1])

    def _move(self, belief: np.ndarray) -> np.ndarray:
        moved = self.v.T @ belief @ self.s
        mean = belief.mean((-2, -1), keepdims=True)
        return (1 - self.smoothing) * moved + self.smoothing * mean

    def _emit(self, belief_NxKxAxB: np.ndarray) -> np.ndarray:
        emits = np.eye(self.words)[self.memory.ravel()]
        return belief_NxKxAxB.sum(1).reshape(-1, STATES) @ emits


def _choose(weights_NxS: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    sums = np.cumsum(weights_NxS, 1)
    aim = rng.random(len(sums)) * sums[:, -1]
    # Rounding must not choose the states of weight zero at the end.
    last = weights_NxS.shape[1] - 1 - (weights_NxS[:, ::-1] > 0).argmax(1)
    return np.minimum((sums <= aim[:, None]).sum(1), last)
