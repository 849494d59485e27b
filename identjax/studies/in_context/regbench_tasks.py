"""RegBench's in-context task: the next letter of a string, after whole strings of its DFA."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from identjax.languages.known.dfa import Dfa, RegBench
from identjax.languages.language import Language
from identjax.languages.law.graph import NONE
from identjax.predictor import Predictor
from identjax.studies.in_context.tasks import TASKS, Shots, Task, pad_rows


@dataclasses.dataclass(frozen=True)
class RegBenchTask(Task):
    """Answers are letters; right is each that the DFA allows (Akyürek et al. 2024)."""

    definition: RegBench

    @property
    def examples(self) -> tuple[int, ...]:
        """The strings that may come before the last."""
        return tuple(range(self.definition.most_strings))

    def draw(self, examples: int, n: int, seed: int = 0) -> Shots:
        """Draw a DFA of the pool, so many strings of it, and the beginning of another."""
        definition, v = self.definition, self.definition.vocabulary
        letters, longest = definition.letters, definition.length_of_strings
        rng = np.random.default_rng((definition.seed, seed, examples))
        rows, law = [], np.zeros((n, v.size))
        for place in range(n):
            dfa = definition.dfas[rng.integers(definition.pool)]
            row = [v.bos]
            for _ in range(examples):
                # The separator is the symbol after the letters.
                row += [*_walk(rng, dfa, int(rng.integers(1, longest + 1)))[0], letters]
            walked, state = _walk(rng, dfa, int(rng.integers(longest)))
            law[place, :letters] = np.exp(dfa.log_choice[state])
            rows.append([*row, *walked])
        tokens, lengths = pad_rows(rows, v.pad)
        return Shots(tokens, lengths, np.arange(v.size) < letters, law > 0, law)

    def observers(self) -> Mapping[str, Predictor]:
        """The truth itself is exact Bayes over the pool."""
        return {"exact Bayes": self.definition.build()}


def _walk(rng: np.random.Generator, dfa: Dfa, length: int) -> tuple[list[int], int]:
    """Follow uniform edges: the letters, and the state they end in."""
    state, letters = 0, []
    for _ in range(length):
        letter = int(rng.choice(np.flatnonzero(dfa.next_state[state] != NONE)))
        letters.append(letter)
        state = int(dfa.next_state[state, letter])
    return letters, state


@TASKS.register("regbench")
def make_tasks(language: Language) -> Mapping[str, Task]:
    """Ask for the next letter of a string, after whole strings of the same DFA."""
    assert isinstance(language.definition, RegBench)
    return {"strings": RegBenchTask(language.definition)}
