"""Parts of a sweep for machines that know nothing of each other.

A member's part follows from its id alone, and widths are those of the whole sweep, so a member's
bits are the same in any split. See docs/scaling.md.
"""

import dataclasses
import re

from identjax.errors import ConfigError
from identjax.sweep.plan.groups import Plan


@dataclasses.dataclass(frozen=True)
class Shard:
    """Part `index` of `count`.

    >>> Shard(0, 2).holds("00000000000a"), Shard(0, 2).holds("00000000000b")
    (True, False)
    """

    index: int
    count: int

    def holds(self, member_id: str) -> bool:
        """Tell whether a member belongs to this part."""
        return int(member_id, 16) % self.count == self.index

    def of(self, plan: Plan) -> Plan:
        """Give this part of a plan; groups keep their names and widths even where none is left."""
        groups = [
            dataclasses.replace(
                group, members=tuple(m for m in group.members if self.holds(m.member_id))
            )
            for group in plan.groups
        ]
        return dataclasses.replace(plan, groups=tuple(groups), shard=f"{self.index}/{self.count}")


def parse_shard(text: str) -> Shard:
    """Read "i/n"."""
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    shard = Shard(*map(int, match.groups())) if match else Shard(0, 0)
    if not 0 <= shard.index < shard.count:
        raise ConfigError("shard", text, "i/n with i from 0 to n - 1, such as 0/4")
    return shard
