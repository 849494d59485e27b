"""Show how a sweep stands while it runs: members by status, speed, time left, shards alive or lost.

python -m launch.status --workdir=results/all
python -m launch.status --workdir=results/all --member=0a1b2c3d4e5f      # its folder and its logs
"""

from absl import flags

from identjax.sweep.folder.status import FolderStatus, find_folders, find_member, read_status
from launch import common

WORKDIR = flags.DEFINE_string("workdir", None, "The results folder, or the one above its shards.")
MEMBER = flags.DEFINE_string("member", None, "Show where this member is trained, and its logs.")


def main() -> None:
    """Print a line per folder, and one for all."""
    workdir = common.need("workdir", WORKDIR.value)
    if MEMBER.value:
        store = find_member(workdir, MEMBER.value)
        jobs = store.workdir / "jobs.txt"
        print(store.workdir, *(jobs.read_text().split() if jobs.exists() else []), sep="\n")
        return
    found = [read_status(store) for store in find_folders(workdir)]
    for status in found:
        print(describe(str(status.folder), status.state, [status]))
    states = [status.state for status in found]
    told = ", ".join(f"{states.count(name)} {name}" for name in sorted(set(states)))
    print(describe("all", told, found))


def describe(name: str, state: str, parts: list[FolderStatus]) -> str:
    """Make a line of one folder or of all."""
    kinds = sorted({kind for part in parts for kind in part.counts})
    counts = [f"{sum(part.counts.get(kind, 0) for part in parts)} {kind}" for kind in kinds]
    lefts = [part.seconds_left for part in parts]
    left = "unknown" if None in lefts else f"{max(lefts):,.0f} s"
    rate = sum(part.rate for part in parts if part.state == "alive")
    return f"{name}: {state}; {', '.join(counts)}; {rate:,.0f} member-steps/s, {left} left at most"


if __name__ == "__main__":
    common.run(main)
