"""Context-free grammars with probabilities: checks, binary form, and counts by length.

Axes: N nonterminal, R binary rule, L length.
"""

import dataclasses
import functools
from collections import Counter, defaultdict

import numpy as np

from identjax.errors import ConfigError

Production = tuple[str, str, float]
# Right sides with their shares, by left side.
Rules = dict[str, list[tuple[tuple[str, ...], float]]]
# Strings with their numbers of derivations.
Yields = Counter[tuple[int, ...]]
MOST_LISTED = 20_000


@dataclasses.dataclass(frozen=True)
class Grammar:
    """A grammar in binary form: words[(A, a)] and pairs (A, B, C, p); nonterminal 0 is the start.

    Every rule of `pairs` and `words` stands for one rule, or one chain of unit rules, of the
    productions, so that derivations correspond one to one.
    """

    names: tuple[str, ...]
    symbols: tuple[str, ...]
    pairs: tuple[tuple[int, int, int, float], ...]
    words: tuple[tuple[int, int, float], ...]

    @functools.lru_cache(maxsize=8)  # noqa: B019
    def weigh(self, length: int) -> np.ndarray:
        """Probability that each nonterminal derives a string of each length, [N, L+1]."""
        found = np.zeros((len(self.names), length + 1))
        for a, _, p in self.words:
            found[a, 1:2] += p
        for size in range(2, length + 1):
            for a, b, c, p in self.pairs:
                found[a, size] += p * (found[b, 1:size] @ found[c, size - 1 : 0 : -1])
        return found

    def log_weight_sums(self, length: int) -> np.ndarray:
        """Σ w log w over the derivations of each nonterminal and length, [N, L+1]."""
        w, found = self.weigh(length), np.zeros((len(self.names), length + 1))
        for a, _, p in self.words:
            found[a, 1:2] += p * np.log(p)
        for size in range(2, length + 1):
            for a, b, c, p in self.pairs:
                left, right = w[b, 1:size], w[c, size - 1 : 0 : -1]
                found[a, size] += p * np.log(p) * (left @ right)
                found[a, size] += p * (found[b, 1:size] @ right)
                found[a, size] += p * (left @ found[c, size - 1 : 0 : -1])
        return found

    def count(self, length: int) -> list[int]:
        """Count the derivations of the start symbol by length, exactly."""
        found = [[0] * (length + 1) for _ in self.names]
        for a, _, _ in self.words:
            if length:
                found[a][1] += 1
        for size in range(2, length + 1):
            for a, b, c, _ in self.pairs:
                ways = (found[b][j] * found[c][size - j] for j in range(1, size))
                found[a][size] += sum(ways)
        return found[0]

    def list_strings(self, length: int) -> Yields:
        """List the strings up to a length, each with its number of derivations."""
        found: list[list[Yields]] = [[Counter() for _ in range(length + 1)] for _ in self.names]
        for a, s, _ in self.words:
            if length:
                found[a][1][(s,)] += 1
        for size in range(2, length + 1):
            for a, b, c, _ in self.pairs:
                for j in range(1, size):
                    _join(found[a][size], found[b][j], found[c][size - j])
        return sum(found[0], Counter())


def _join(into: Yields, left: Yields, right: Yields) -> None:
    for x, n in left.items():
        for y, m in right.items():
            into[x + y] += n * m


def read_grammar(productions: tuple[Production, ...]) -> Grammar:
    """Check productions and bring them to binary form; the first left side is the start."""
    rules = _read(productions)
    names = list(rules)
    rules = _replace_units(rules)
    symbols = tuple(
        sorted({s for sides in rules.values() for rhs, _ in sides for s in rhs} - set(names))
    )
    if not symbols:
        raise ConfigError("productions", productions, "some symbols that are not left sides")
    pairs, words = [], []

    def name_of(part: str) -> int:
        """Give the nonterminal of a part; a symbol in a longer rule gets one of its own."""
        if part in rules:
            return names.index(part)
        mark = f"'{part}"
        if mark not in names:
            names.append(mark)
            words.append((names.index(mark), symbols.index(part), 1.0))
        return names.index(mark)

    for left, sides in rules.items():
        for rhs, p in sides:
            if len(rhs) == 1:
                words.append((names.index(left), symbols.index(rhs[0]), p))
                continue
            at, chance = names.index(left), p
            for i, part in enumerate(rhs[:-2]):
                rest = len(names)
                names.append(f"{left}→{' '.join(rhs)}/{i}/{rest}")
                pairs.append((at, name_of(part), rest, chance))
                at, chance = rest, 1.0
            pairs.append((at, name_of(rhs[-2]), name_of(rhs[-1]), chance))
    return Grammar(tuple(names), symbols, tuple(pairs), tuple(words))


def _read(productions: tuple[Production, ...]) -> Rules:
    rules: Rules = defaultdict(list)
    for production in productions:
        if len(production) != 3 or not isinstance(production[1], str):
            raise ConfigError("productions", production, "(left side, right side as text, share)")
        left, right, p = production
        if not isinstance(p, int | float) or not 0 < p <= 1:
            raise ConfigError("productions", production, "a share above 0 and at most 1")
        if not right.split():
            raise ConfigError("productions", production, "a right side that is not empty")
        rules[left].append((tuple(right.split()), float(p)))
    if not rules:
        raise ConfigError("productions", productions, "at least one")
    for left, sides in rules.items():
        total = sum(p for _, p in sides)
        if abs(total - 1) > 1e-9:
            raise ConfigError("productions", left, f"shares that add up to 1, not {total:g}")
    return dict(rules)


def _replace_units(rules: Rules) -> Rules:
    """Replace A → B by what B becomes, times the share."""
    done: Rules = {}

    def expand(left: str, path: tuple[str, ...]) -> list[tuple[tuple[str, ...], float]]:
        if left in path:
            raise ConfigError("productions", " → ".join([*path, left]), "no circle of unit rules")
        if left not in done:
            found = []
            for rhs, p in rules[left]:
                if len(rhs) == 1 and rhs[0] in rules:
                    found += [(r, p * q) for r, q in expand(rhs[0], (*path, left))]
                else:
                    found.append((rhs, p))
            done[left] = found
        return done[left]

    return {left: expand(left, ()) for left in rules}


def check_unambiguous(grammar: Grammar, length: int) -> None:
    """Raise unless no string up to the length has two derivations.

    Strings are listed where they are few. Beyond that a grammar passes where the alternatives of
    each nonterminal begin, or end, with different symbols; others are refused, not trusted.
    """
    counts = np.cumsum([float(n) for n in grammar.count(length)])
    listed = int((counts <= MOST_LISTED).sum()) - 1
    strings = grammar.list_strings(listed)
    twice = [string for string, n in strings.items() if n > 1]
    if twice:
        example = " ".join(grammar.symbols[s] for s in min(twice, key=lambda s: (len(s), s)))
        raise ConfigError("productions", example, "no string with two derivations (ambiguous)")
    if listed < length and not any(_told_apart(grammar, side) for side in (0, 1)):
        allowed = f"a grammar that is seen to be unambiguous beyond length {listed}: alternatives "
        allowed += "that all begin (or all end) with different symbols; or a smaller max_length"
        raise ConfigError("productions", grammar.names[0], allowed)


def _told_apart(grammar: Grammar, side: int) -> bool:
    """Tell whether the alternatives of every nonterminal differ in their outermost symbol."""
    outer: list[set[int]] = [set() for _ in grammar.names]
    while True:
        before = [len(s) for s in outer]
        for a, s, _ in grammar.words:
            outer[a].add(s)
        for a, b, c, _ in grammar.pairs:
            outer[a] |= outer[(b, c)[side]]
        if before == [len(s) for s in outer]:
            break
    alternatives: dict[int, list[set[int]]] = defaultdict(list)
    for a, s, _ in grammar.words:
        alternatives[a].append({s})
    for a, b, c, _ in grammar.pairs:
        alternatives[a].append(outer[(b, c)[side]])
    return all(sum(map(len, sets)) == len(set().union(*sets)) for sets in alternatives.values())
