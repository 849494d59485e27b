"""Languages uniform by length over the strings of a simple rule: counts, order, brackets."""

import dataclasses
from collections.abc import Mapping
from typing import ClassVar

from identjax.languages.definition import register
from identjax.languages.law.uniform import UniformByLength
from identjax.languages.rules import (
    Rule,
    contains,
    equal_counts,
    matched,
    nonempty,
    ordered,
    starts_with,
)


@dataclasses.dataclass(frozen=True)
class Conjunction(UniformByLength):
    """The strings that keep R1 and R2, uniform by length."""

    @property
    def defining(self) -> Rule:
        return self.rules["R1"] & self.rules["R2"]


@register("anbm")
@dataclasses.dataclass(frozen=True)
class AnBm(Conjunction):
    """a^n b^m, n, m ≥ 1: n+m uniform on 2..L, then n uniform (Reizinger et al. 2024).

    >>> AnBm(4).count
    6
    """

    chomsky: ClassVar[str] = "regular"
    symbols: ClassVar[tuple[str, ...]] = ("a", "b")

    @property
    def rules(self) -> Mapping[str, Rule]:
        """R1: both symbols occur. R2: a's before b's."""
        return {"R1": contains("a") & contains("b"), "R2": ordered("ab")}


@register("balanced", "(ab)^N")
@dataclasses.dataclass(frozen=True)
class Balanced(Conjunction):
    """As many a's as b's in any order: l uniform on 1..⌊L/2⌋, p = 1/⌊L/2⌋ · 1/C(2l, l).

    >>> Balanced(4).count
    8
    """

    chomsky: ClassVar[str] = "context-free"
    symbols: ClassVar[tuple[str, ...]] = ("a", "b")

    @property
    def rules(self) -> Mapping[str, Rule]:
        """R1: as many a's as b's. R2: not empty."""
        return {"R1": equal_counts("ab"), "R2": nonempty("ab")}


@dataclasses.dataclass(frozen=True)
class OneKind(Conjunction):
    """Balanced brackets of one kind: l uniform on 1..⌊L/2⌋, p = 1/⌊L/2⌋ · 1/Catalan(l)."""

    chomsky: ClassVar[str] = "context-free"

    @property
    def rules(self) -> Mapping[str, Rule]:
        """R1: balanced. R2: starts with an opening bracket."""
        left, right = self.symbols
        return {"R1": matched((left, right)), "R2": starts_with(left, (left, right))}


@register("parentheses")
@dataclasses.dataclass(frozen=True)
class Parentheses(OneKind):
    """Balanced ( and ), uniform by length.

    >>> Parentheses(6).count
    8
    """

    symbols: ClassVar[tuple[str, ...]] = ("(", ")")


@register("brackets")
@dataclasses.dataclass(frozen=True)
class Brackets(OneKind):
    """Balanced [ and ], uniform by length.

    >>> Brackets(6).count
    8
    """

    symbols: ClassVar[tuple[str, ...]] = ("[", "]")


@register("union", "parentheses_or_brackets")
@dataclasses.dataclass(frozen=True)
class Union(Conjunction):
    """A string of () or a string of []: half each, both uniform by length.

    >>> Union(6).count
    16
    """

    chomsky: ClassVar[str] = "context-free"
    symbols: ClassVar[tuple[str, ...]] = ("(", ")", "[", "]")

    @property
    def rules(self) -> Mapping[str, Rule]:
        """R1: both kinds balanced. R2: one kind only, not empty."""
        one = ~contains("(") & ~contains(")")
        other = ~contains("[") & ~contains("]")
        only = (one | other) & nonempty(self.symbols)
        return {"R1": matched("()") & matched("[]"), "R2": only}
