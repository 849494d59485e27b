"""Names for things that can be added from outside, and options that are given by name."""

import ast
import contextlib
import importlib
import inspect
import pkgutil
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

from identjax.errors import ConfigError, unknown_name

T = TypeVar("T")


class Registry(Generic[T]):
    """A mapping from names (and aliases) to entries, which says what is near a wrong name.

    Going through it gives the names alone.

    >>> colours = Registry[int]("colour")
    >>> _ = colours.register("red", "crimson")(1)
    >>> colours["crimson"], list(colours), colours.canonical("crimson")
    (1, ['red'], 'red')
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, T] = {}
        self._aliases: dict[str, str] = {}
        self._places: dict[str, str] = {}
        self._loaders: list[Callable[[], None]] = []

    def register(self, name: str, *aliases: str) -> Callable[[T], T]:
        """Decorate an entry to be found under `name` and `aliases`."""
        caller = sys._getframe(1)

        def add(entry: T) -> T:
            place = _place_of(entry, f"{caller.f_code.co_filename}:{caller.f_lineno}")
            for taken in (name, *aliases):
                if taken in self._aliases:
                    before = self._places[self._aliases[taken]]
                    allowed = f"a name of its own: {before} has registered it, and {place} does"
                    raise ConfigError(self.kind, taken, allowed)
            self._entries[name], self._places[name] = entry, place
            self._aliases.update(dict.fromkeys((name, *aliases), name))
            return entry

        return add

    def before_reading(self, load: Callable[[], None]) -> None:
        """Call a function once, before a name is first looked for: it may register more."""
        self._loaders.append(load)

    def canonical(self, name: str) -> str:
        """Give the registered name behind a name or an alias."""
        if name not in self._read():
            raise unknown_name(self.kind, name, self._aliases)
        return self._aliases[name]

    def place_of(self, name: str) -> str:
        """Say where the entry of a name is defined, as FILE:LINE."""
        return self._places[self.canonical(name)]

    def __getitem__(self, name: str) -> T:
        return self._entries[self.canonical(name)]

    def __contains__(self, name: object) -> bool:
        return name in self._read()

    def __iter__(self) -> Iterator[str]:
        self._read()
        return iter(self._entries)

    def _read(self) -> dict[str, str]:
        while self._loaders:
            self._loaders.pop(0)()
        return self._aliases


def _place_of(entry: Any, registered: str) -> str:
    """Say where a class or function is defined; of others, where they were registered."""
    defined = getattr(entry, "function", entry)
    with contextlib.suppress(OSError, TypeError):
        return f"{inspect.getsourcefile(defined)}:{inspect.getsourcelines(defined)[1]}"
    return registered


def import_all(package: str, path: Iterable[str]) -> None:
    """Import every module of a folder of entries, so that each registers what it has."""
    for found in pkgutil.iter_modules(path):
        importlib.import_module(f"{package}.{found.name}")


def read_pairs(field: str, texts: Iterable[str]) -> dict[str, Any]:
    """Read NAME=VALUE texts; a value is text unless it reads as a number or the like.

    >>> read_pairs("option", ["kinds=3", "activation=relu"])
    {'kinds': 3, 'activation': 'relu'}
    """
    found: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise ConfigError(field, text, "NAME=VALUE")
        try:
            found[name] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            found[name] = value
    return found
