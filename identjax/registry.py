"""Names for things that can be added from outside: languages, models, objectives."""

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

from identjax.errors import ConfigError, unknown_name

T = TypeVar("T")


class Registry(Generic[T]):
    """A mapping from names (and aliases) to entries, which says what is near a wrong name.

    >>> colours = Registry[int]("colour")
    >>> _ = colours.register("red", "crimson")(1)
    >>> colours["crimson"], list(colours), colours.canonical("crimson")
    (1, ['red'], 'red')
    """

    def __init__(self, kind: str) -> None:
        """Make an empty registry of things called `kind` in messages."""
        self.kind = kind
        self._entries: dict[str, T] = {}
        self._aliases: dict[str, str] = {}

    def register(self, name: str, *aliases: str) -> Callable[[T], T]:
        """Decorate an entry to be found under `name` and `aliases`."""

        def add(entry: T) -> T:
            for taken in (name, *aliases):
                if taken in self._aliases:
                    raise ConfigError(self.kind, taken, "a name that is not registered yet")
            self._entries[name] = entry
            self._aliases.update(dict.fromkeys((name, *aliases), name))
            return entry

        return add

    def canonical(self, name: str) -> str:
        """Give the registered name behind a name or an alias."""
        if name not in self._aliases:
            raise unknown_name(self.kind, name, self._aliases)
        return self._aliases[name]

    def __getitem__(self, name: str) -> T:
        """Give the entry under a name or an alias."""
        return self._entries[self.canonical(name)]

    def __contains__(self, name: object) -> bool:
        """Tell whether a name or an alias is registered."""
        return name in self._aliases

    def __iter__(self) -> Iterator[str]:
        """Go through the registered names, without aliases."""
        return iter(self._entries)


def import_all(package: str, path: Iterable[str]) -> None:
    """Import every module of a folder of entries, so that each registers what it has."""
    for found in pkgutil.iter_modules(path):
        importlib.import_module(f"{package}.{found.name}")
