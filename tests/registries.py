"""Registries as they were before a test."""

import contextlib
from collections.abc import Iterator
from typing import TypeVar

from identjax.registry import Registry

T = TypeVar("T")


@contextlib.contextmanager
def temporarily(
    registry: Registry[T], name: str | None = None, entry: T | None = None
) -> Iterator[None]:
    """Register an entry, and at the end forget it and whatever was registered meanwhile."""
    list(registry)
    before = dict(registry._entries), dict(registry._aliases)
    try:
        if name is not None and entry is not None:
            registry.register(name)(entry)
        yield
    finally:
        registry._entries, registry._aliases = before
