"""Join the folders of a sweep's shards into one, which is evaluated and reported like any other.

python -m launch.merge --workdir=results/all                     # of results/all/shards/*
python -m launch.merge --workdir=results/all --shards=a,b,c
"""

from absl import flags

from identjax.errors import ConfigError
from identjax.store import Store
from identjax.sweep.folder.merge import merge
from launch import common

WORKDIR = flags.DEFINE_string("workdir", None, "The folder that is to hold the whole.")
SHARDS = flags.DEFINE_list("shards", None, "The folders to join; those in WORKDIR/shards if unset.")


def main() -> None:
    """Bring what has ended in the shards into the whole, and say how it stands."""
    workdir = common.need("workdir", WORKDIR.value)
    whole = Store(workdir)
    inside = sorted(path.parent for path in whole.workdir.glob("shards/*/sweep.json"))
    folders = SHARDS.value or inside
    if not folders:
        raise ConfigError("shards", "", f"folders, or some in {workdir}/shards")
    counts, notes = merge([Store(folder) for folder in folders], whole)
    for note in notes:
        print(f"note: {note}")
    told = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
    print(f"{sum(counts.values())} members in {workdir}: {told}")


if __name__ == "__main__":
    common.run(main)
