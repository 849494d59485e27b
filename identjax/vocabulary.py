"""Symbols and the three marks around them, as token ids."""

import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from identjax.errors import ConfigError

Tokens = npt.NDArray[np.int32]


@dataclasses.dataclass(frozen=True)
class Vocabulary:
    """An alphabet and its marks: symbols have ids 0 … S−1, then EOS, BOS and PAD.

    >>> v = Vocabulary(("a", "b"))
    >>> v.encode("aab").tolist(), v.decode([v.bos, 0, 0, 1, v.eos, v.pad])
    ([0, 0, 1], 'aab')
    """

    symbols: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.symbols or len(set(self.symbols)) != len(self.symbols):
            raise ConfigError("symbols", self.symbols, "one or more, all different")
        if unread := [s for s in self.symbols if not isinstance(s, str)]:
            raise ConfigError("symbols", unread[0], "text")
        marks = {"BOS", "EOS", "PAD", ""}
        if clash := [s for s in self.symbols if s in marks or s != s.strip() or len(s.split()) > 1]:
            raise ConfigError("symbols", clash[0], "no BOS, EOS, PAD, empty text or white space")

    @property
    def eos(self) -> int:
        """The id of the end mark."""
        return len(self.symbols)

    @property
    def bos(self) -> int:
        """The id of the start mark, the first token that every predictor reads."""
        return len(self.symbols) + 1

    @property
    def pad(self) -> int:
        """The id of the filler after EOS."""
        return len(self.symbols) + 2

    @property
    def size(self) -> int:
        """How many ids there are, the marks included."""
        return len(self.symbols) + 3

    @property
    def spaced(self) -> bool:
        """Whether text separates symbols by white space (some symbol has several characters)."""
        return any(len(s) > 1 for s in self.symbols)

    def encode(self, text: str) -> Tokens:
        """Give the ids of the symbols of `text` alone, without BOS or EOS."""
        ids = {s: i for i, s in enumerate(self.symbols)}
        parts = text.split() if self.spaced else list(text)
        if unknown := [s for s in parts if s not in ids]:
            raise ConfigError("symbol", unknown[0], f"one of {' '.join(self.symbols)}")
        return np.array([ids[s] for s in parts], np.int32)

    def decode(self, tokens: Iterable[Any]) -> str:
        """Give the text of `tokens`, with BOS, EOS and PAD dropped."""
        ids = [int(t) for t in tokens]
        if bad := [t for t in ids if not 0 <= t < self.size]:
            raise ConfigError("token", bad[0], f"0 to {self.size - 1}")
        separator = " " if self.spaced else ""
        return separator.join(self.symbols[t] for t in ids if t < self.eos)
