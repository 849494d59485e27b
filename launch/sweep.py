"""Train every member of a sweep, resume it, extend it, or say that it is done.

python -m launch.sweep --config=configs/quickstart.py --workdir=results/quickstart
"""

from absl import flags
from ml_collections import config_flags

from identjax import processes
from identjax.store import Store
from identjax.sweep.engine.probe import describe_plan
from identjax.sweep.folder.resume import widths_of
from identjax.sweep.plan.request import Request, parse_shard, read_source
from identjax.sweep.run import run_sweep
from launch import cluster, common

config_flags.DEFINE_config_file("config", None, "The experiment; --config.FIELD=VALUE changes it.")
WORKDIR = flags.DEFINE_string("workdir", None, "The results folder.")
SHARD = flags.DEFINE_string("shard", None, "i/n: only this part of the members, in its own folder.")
DRY_RUN = flags.DEFINE_bool("dry_run", False, "Print what would be run, after a short trial.")
TUNE = flags.DEFINE_bool("tune_width", False, "Time widths, print the knee, and run nothing.")
SAME = flags.DEFINE_bool("same_devices", False, "Refuse devices or versions that differ.")


def main() -> None:
    """Bring every member of the config to its end, after those that they start from."""
    request, workdir = common.read_request(), common.need("workdir", WORKDIR.value)
    cluster.enter()
    source, source_workdir = read_source(request, workdir)
    if source:
        train(source, cluster.open_store(source_workdir))
        if (DRY_RUN.value or TUNE.value) and Store(source_workdir).read_sweep() is None:
            print(f"{workdir} starts from {source_workdir}, which is not there yet")
            return
    train(request, cluster.open_store(workdir), SHARD.value)


def train(request: Request, store: Store, shard: str | None = None) -> None:
    """Resolve a config into members, and bring each of them to its end."""
    with processes.together():
        plan = request.plan(widths_of(store, request.config.get("width", 0)))
        for name in plan.settings.measures:
            from identjax.evaluation.evaluate import MEASURES

            MEASURES.canonical(name)  # refuses one that is not registered
        plan = parse_shard(shard).of(plan) if shard else plan
    only_tells = DRY_RUN.value or TUNE.value
    for line in describe_plan(plan, tries=only_tells, tunes=TUNE.value):
        cluster.say(line)
    if only_tells:
        return
    counts = run_sweep(plan, store, request.facts, SAME.value)
    told = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
    cluster.say(f"{len(plan.members)} members in {store.workdir}: {told}")


if __name__ == "__main__":
    common.run(main)
