"""RegBench's in-context task: the next letter of a string, after whole strings of its DFA."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from identjax.languages.known.dfa import Dfa, RegBench
from identjax.languages.law.graph import NONE
from identjax.predictor import Predictor
from identjax.studies.in_context.tasks import Shots, Task, pad_rows


@dataclasses.dataclass(frozen=True)
class RegBenchTask(Task):
    """Answers are letters; right is each that the DFA allows (Akyürek et al. 2024)."""

    family: RegBench

    @property
    def examples(self) -> tuple[int, ...]:
        """The strings that may come before the last."""
        return tuple(range(self.family.most_strings))

    def draw(self, examples: int, n: int, seed: int = 0) -> Shots:
        """Draw a DFA of the pool, so many strings of it, and the beginning of another."""
        family = self.family
        symbols, v = len(family.symbols), len(family.symbols) + 3
        rng = np.random.default_rng((family.seed, seed, examples))
        rows, law = [], np.zeros((n, v))
        for place in range(n):
            dfa = family.dfas[rng.integers(family.pool)]
            row = [symbols + 1]
            for _ in range(examples):
                length = int(rng.integers(1, family.length_of_strings + 1))
                row += [*_walk(rng, dfa, length)[0], symbols - 1]
            letters, state = _walk(rng, dfa, int(rng.integers(family.length_of_strings)))
            law[place, : family.letters] = np.exp(dfa.log_choice[state])
            rows.append([*row, *letters])
        tokens, lengths = pad_rows(rows, symbols + 2)
        return Shots(tokens, lengths, np.arange(v) < family.letters, law > 0, law)

    def observers(self) -> Mapping[str, Predictor]:
        """The truth itself is exact Bayes over the pool."""
        return {"exact Bayes": self.family.build()}


def _walk(rng: np.random.Generator, dfa: Dfa, length: int) -> tuple[list[int], int]:
    """Follow uniform edges: the letters, and the state they end in."""
    state, letters = 0, []
    for _ in range(length):
        letter = int(rng.choice(np.flatnonzero(dfa.next_state[state] != NONE)))
        letters.append(letter)
        state = int(dfa.next_state[state, letter])
    return letters, state
