"""A folder that is continued: which groups have begun, at which widths, on which devices."""

from collections.abc import Iterable, Mapping
from typing import Any

from identjax.errors import ConfigError
from identjax.store import Store
from identjax.sweep.folder.ledger import Outcome, member_row
from identjax.sweep.plan.groups import Group
from identjax.training.member import Member
from identjax.version import VERSION


def has_begun(store: Store, group: str) -> bool:
    """Tell whether something of a group was saved, which fixes its width."""
    saved = any((store.checkpoint_dir / group).glob("[0-9]*"))
    return saved or bool(store.parts("curves", group))


def widths_of(store: Store, chosen: int) -> dict[str, int]:
    """Give the widths of a folder that stand; one that is chosen now is for groups not begun."""
    before: dict[str, Any] = store.read_sweep() or {"groups": {}, "settings": {"width": 0}}
    changed = chosen and chosen != before["settings"]["width"]
    return {
        name: group["width"]
        for name, group in before["groups"].items()
        if not changed or has_begun(store, name)
    }


def takes_width(groups: Iterable[Group], width: int, store: Store) -> bool:
    """Tell whether some group that has not begun takes a width that is chosen now."""
    fresh = [g for g in groups if g.members and not has_begun(store, g.name)]
    return any(group.width == width for group in fresh)


def compare_fields(store: Store, columns: Iterable[str]) -> None:
    """Refuse a folder whose members have other fields, because another version made it."""
    here = member_row(Member(), Outcome("pending", 0, ""))
    if other := sorted(here.keys() ^ set(columns)):
        sweep: dict[str, Any] = store.read_sweep() or {}
        allowed = (
            f"one whose members have the fields of identjax {VERSION}: {other[0]!r} is only in "
            f"{'this version' if other[0] in here else 'that folder'}, "
            f"which identjax {sweep['versions']['identjax']} wrote"
        )
        raise ConfigError("workdir", str(store.workdir), allowed)


def compare_machines(store: Store, now: Mapping[str, Any], same: bool) -> str:
    """Say what differs from the devices and versions that a folder was last run with.

    Bits may then differ, so it is refused where `same` asks for that.
    """
    before = store.read_sweep()
    if before is None or not any(has_begun(store, name) for name in before["groups"]):
        return ""
    for field in ("device", "versions"):
        for name, value in now[field].items():
            was = before[field].get(name)
            if was != value and same:
                allowed = f"{was!r}, as in workdir {store.workdir} (--nosame_devices goes on)"
                raise ConfigError(f"{field} {name}", value, allowed)
            if was != value:
                told = f"{field} {name} was {was!r} and is {value!r}"
                return f"{told}: bits of members still to train may differ from those of before"
    return ""
