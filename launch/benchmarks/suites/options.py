"""What a suite is told."""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from identjax.errors import ConfigError
from identjax.registry import Registry
from launch.benchmarks.timing import Contest, Effort


@dataclasses.dataclass(frozen=True)
class Options:
    """How much to measure, of which size, beside whom; the machine's ceiling; where to tell."""

    effort: Effort
    size: str
    members: Sequence[int]
    peers: Sequence[str]
    ceiling: Contest
    tell: Callable[[Contest], None]
    only: tuple[str, ...] = ()

    def choose(self, known: Registry[Any], default: Iterable[str]) -> tuple[str, ...]:
        """Give the registered names that were asked for, or the default ones."""
        return tuple(map(known.canonical, self.only)) or tuple(default)


def read_counts(texts: Sequence[str] | None) -> list[int]:
    """Read numbers of members; none leaves them to the suite."""
    if any(not text.isdecimal() or int(text) < 1 for text in texts or []):
        raise ConfigError("members", ",".join(texts or []), "whole numbers of 1 or more")
    return [int(text) for text in texts or []]
