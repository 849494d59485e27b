"""Axes of a sweep: lists of settings, combined by product, zip and chain.

A sweep is a list of dicts from config fields to values; dots reach into a part of the config.

>>> product(axis("init_seed", range(2)), zipped(axis("a", "xy"), axis("b", [1, 2])))[1]
{'init_seed': 0, 'a': 'y', 'b': 2}
"""

import itertools
from collections.abc import Iterable
from typing import Any

from identjax.errors import ConfigError

Axis = list[dict[str, Any]]


def axis(field: str, values: Iterable[Any]) -> Axis:
    """Let one field take each of some values."""
    return [{field: value} for value in values]


def product(*axes: Axis) -> Axis:
    """Combine every setting of each axis with every setting of the others."""
    return [_join(settings) for settings in itertools.product(*axes)]


def zipped(*axes: Axis) -> Axis:
    """Combine axes of one length, first with first and so on."""
    if len({len(one) for one in axes}) > 1:
        raise ConfigError("zipped", [len(one) for one in axes], "axes of one length")
    return [_join(settings) for settings in zip(*axes, strict=True)]


def chain(*axes: Axis) -> Axis:
    """Put axes one after another."""
    return list(itertools.chain(*axes))


def _join(settings: Iterable[dict[str, Any]]) -> dict[str, Any]:
    joined: dict[str, Any] = {}
    for setting in settings:
        if twice := joined.keys() & setting.keys():
            raise ConfigError("axis", min(twice), "each field in one axis of a product")
        joined |= setting
    return joined
