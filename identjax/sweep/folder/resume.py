"""A folder that is continued: which groups have begun, at which widths, on which devices."""

from collections.abc import Mapping
from typing import Any

from identjax.errors import ConfigError
from identjax.store import Store
from identjax.sweep.folder.members_table import member_of, read_members
from identjax.sweep.plan.groups import FREE_SETTINGS, Plan
from identjax.training.member import KINDS, Member


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


def refuse_other_shard(plan: Plan, store: Store) -> None:
    """Refuse the folder of another shard; the whole sweep may extend that of a part."""
    before = store.read_sweep() or {}
    if before and plan.shard not in (None, before.get("shard")):
        allowed = f"{before.get('shard') or 'the whole sweep'} in workdir {store.workdir}"
        raise ConfigError("shard", plan.shard, f"{allowed}; each shard has a folder of its own")


def compare_with_folder(plan: Plan, settings: Mapping[str, Any], store: Store) -> None:
    """Refuse a folder of another sweep, by field; a superset of its members extends it."""
    before, table = store.read_sweep(), read_members(store)
    if before is None or table is None:
        return
    fresh = [g for g in plan.groups if g.members and not has_begun(store, g.name)]
    for name, value in settings.items():
        was = before["settings"].get(name)
        if name == "width" and value in [group.width for group in fresh]:
            continue
        if name not in FREE_SETTINGS and was != value:
            raise ConfigError(name, value, f"{was!r} in workdir {store.workdir} (or another one)")
    members = plan.members
    known = {member.member_id for member in members}
    for i, member_id in enumerate(table["member_id"].to_pylist()):
        if member_id not in known:
            _refuse(member_of(table.slice(i, 1).to_pylist()[0]), members, store)


def _refuse(missing: Member, members: list[Member], store: Store) -> None:
    """Name the fields in which the nearest member differs from one that the folder has."""

    def differences(member: Member) -> list[str]:
        mine, theirs = member.fields, missing.fields
        return [name for name in mine if mine[name] != theirs[name] and KINDS[name] != "tag"]

    nearest = min(members, key=lambda member: len(differences(member)))
    if not differences(nearest):
        allowed = "a folder whose ids this version gives: a default has changed since it was made"
        raise ConfigError("workdir", str(store.workdir), allowed)
    field = differences(nearest)[0]
    allowed = (
        f"{getattr(missing, field)!r} in workdir {store.workdir}, whose members must all stay "
        "(a sweep may be extended, not changed; use another workdir)"
    )
    raise ConfigError(field, getattr(nearest, field), allowed)


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
