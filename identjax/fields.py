"""Nested fields as a flat mapping, to say of two of them where they differ."""

from collections.abc import Mapping
from typing import Any


def flatten(tree: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Name each leaf by its path.

    >>> flatten({"a": 1, "b": {"c": [2]}})
    {'a': 1, 'b.c': [2]}
    """
    flat: dict[str, Any] = {}
    for name, value in tree.items():
        inner = isinstance(value, Mapping)
        flat |= flatten(value, f"{above}{name}.") if inner else {above + name: value}
    return flat
