"""The slots of a group, compiled; where they do not fit the memory, the width that does."""

from collections.abc import Iterator
from contextlib import contextmanager

import jax

from identjax.errors import ConfigError
from identjax.sweep.engine.slots import Slots
from identjax.sweep.plan.groups import Group, find_devices
from identjax.training.step import hyper_of

# XLA's plan leaves out what its runtime and other arrays take.
_SHARE = 0.9
OUT_OF_MEMORY = "RESOURCE_EXHAUSTED"


class OutOfMemory(RuntimeError):
    """The slots of a group do not fit now; what was saved stands, and commands exit 1."""


def prepare(group: Group) -> Slots:
    """Make and compile the slots of a group."""
    with group.precision.enabled():
        slots = Slots(*group.make_program(), group.width)
        with telling_of_memory(group, slots):
            slots.compile(hyper_of(group.members[0]))
    check_room(group, slots)
    return slots


@contextmanager
def telling_of_memory(group: Group, slots: Slots) -> Iterator[None]:
    """Turn XLA's error into one line that names the group and the width that fits."""
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if OUT_OF_MEMORY not in str(error):
            raise
        line = f"out of memory in group {group.name} at width {group.width}: {advise(group, slots)}"
        raise OutOfMemory(line) from error


def check_room(group: Group, slots: Slots) -> None:
    """Refuse a width whose compiled step takes more than a device has."""
    if slots.planned_bytes > find_devices().memory:
        allowed = f"less in group {group.name}: {advise(group, slots)}"
        raise ConfigError("width", group.width, allowed)


def advise(group: Group, slots: Slots) -> str:
    """Say what a step takes, what a device has, and which width fits."""
    memory, planned = find_devices().memory, slots.planned_bytes
    if not planned:
        return f"set width to {max(1, group.width // 2)} or less"
    fits = int(min(_SHARE * memory * group.width / planned, group.width - 1))
    told = f"a step takes {planned / 2**30:.2f} GiB of a device"
    told += f" that has {memory / 2**30:.2f}" if memory < float("inf") else ""
    if not fits:
        return f"{told}; not even one slot fits"
    return f"{told}; width {1 << (fits.bit_length() - 1)} fits, for groups that have not begun"
