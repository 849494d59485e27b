"""Which prompts members are asked, and how they continue them."""

import dataclasses
from collections.abc import Collection

import numpy as np

from identjax.evaluation.results import Truth
from identjax.languages import Language
from identjax.training.objective import find_judged
from identjax.vocabulary import Tokens, Vocabulary

SPLITS = ("id", "ood", "bos")


@dataclasses.dataclass(frozen=True)
class Decoding:
    """How prompts are made and continued; the defaults are those of the tables in evals/ itself.

    `published`: splits may also be the sets of prompts that a language has under a name.
    """

    prompt_length: int | None = None
    seed: int | None = None
    published: bool = False

    @property
    def table_suffix(self) -> str:
        """What is added to a table's name, "" for the defaults."""
        length = "" if self.prompt_length is None else f"_length{self.prompt_length}"
        length += "" if self.seed is None else f"_sampled{self.seed}"
        return length + ("_published" if self.published else "")


class PromptBook:
    """The prompts of truths, by split: drawn once, because that and what is taught take seconds."""

    def __init__(self, decoding: Decoding) -> None:
        self.decoding = decoding
        self._drawn: dict[tuple[Truth, str], Tokens] = {}
        self._judged: dict[tuple[Truth, str], Tokens] = {}

    def judged(self, truth: Truth, splits: Collection[str]) -> dict[str, Tokens]:
        """Give the prompts of those splits that have any, without those that are taught."""
        for split in splits:
            if (truth, split) not in self._judged:
                drawn = self.drawn(truth, split)
                kept = find_judged(truth.objectives, truth.language, split, drawn)
                self._judged[truth, split] = kept
        return {s: kept for s in splits if len(kept := self._judged[truth, s])}

    def drawn(self, truth: Truth, split: str) -> Tokens:
        """Give all prompts of a split, taught or not."""
        if (truth, split) not in self._drawn:
            self._drawn[truth, split] = draw_prompts(truth.language, split, self.decoding)
        return self._drawn[truth, split]


def draw_prompts(language: Language, split: str, decoding: Decoding) -> Tokens:
    """Draw the prompts of a split; none where the language has no such split."""
    if split not in SPLITS and split not in language.published:
        return np.zeros((0, 1), np.int32)
    length = None if split == "bos" else decoding.prompt_length
    return np.asarray(language.prompts(split, length).tokens, np.int32)


def decode_rows(vocabulary: Vocabulary, tokens_NxT: Tokens) -> np.ndarray:
    """Give the text of every row; equal rows, of which there are many, are decoded once."""
    different, place = np.unique(tokens_NxT, axis=0, return_inverse=True)
    texts = np.array([vocabulary.decode(row) for row in different], object)
    return texts[place.reshape(-1)]
