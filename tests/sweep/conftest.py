"""Tests of one shape share its compiled programs; what they run on them is their own."""

import functools

import jax
import pytest

from identjax.sweep import run
from identjax.sweep.engine.slots import Slots, make_slots
from identjax.training.member import Member

_MADE: dict[tuple[str, int, int], Slots] = {}


@functools.wraps(make_slots)
def share_slots(member: Member, width: int) -> Slots:
    key = member.group, width, jax.device_count()
    if key not in _MADE:
        _MADE[key] = make_slots(member, width)
    return _MADE[key]


@pytest.fixture(autouse=True, scope="session")
def _shared_programs() -> None:
    run.make_slots = share_slots
