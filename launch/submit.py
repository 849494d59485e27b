"""Train a sweep as shards under a scheduler: Slurm, or processes of this machine.

python -m launch.submit --config=configs/quickstart.py --workdir=results/all --shards=4
python -m launch.submit --launcher=slurm --slurm=partition=gpu,gpus_per_node=1 …
Then: python -m launch.status --workdir=results/all; python -m launch.merge --workdir=results/all
"""

import sys

from absl import flags
from ml_collections import config_flags

from identjax.store import Store
from launch import common
from launch.jobs import ShardJob, make_executor, submit_all, wait_for_all

config_flags.DEFINE_config_file("config", None, "The experiment; --config.FIELD=VALUE changes it.")
WORKDIR = flags.DEFINE_string("workdir", None, "The folder above those of the shards.")
SHARDS = flags.DEFINE_integer("shards", 1, "How many jobs.", 1)
LAUNCHER = flags.DEFINE_enum("launcher", "local", ["local", "slurm"], "Who runs them.")
MINUTES = flags.DEFINE_integer(
    "minutes", 60, "The time limit of a job before it is queued anew.", 1
)
SLURM = flags.DEFINE_list("slurm", [], "NAME=VALUE options of submitit's Slurm executor.")
WAIT = flags.DEFINE_bool("wait", False, "Wait for the jobs, and fail if one does.")


def main() -> None:
    """Submit one job per shard; a sweep that was submitted before is taken up again."""
    common.read_request()  # refuses what no job could run
    workdir = str(Store(common.need("workdir", WORKDIR.value)).workdir)
    executor = make_executor(f"{workdir}/logs", LAUNCHER.value, MINUTES.value, SLURM.value)
    given = common.flags_given("config", "import")
    names = [f"{i}/{SHARDS.value}" for i in range(SHARDS.value)]
    shards = [ShardJob(given, f"{workdir}/shards/{n.replace('/', '-of-')}", n) for n in names]
    jobs = submit_all(executor, shards)
    for job, shard in zip(jobs, shards, strict=True):
        print(f"{job.job_id}: {shard.workdir}, logs in {job.paths.folder}", flush=True)
    ends = wait_for_all(jobs, LAUNCHER.value) if WAIT.value else []
    if failed := [name for name, well in zip(names, ends, strict=False) if not well]:
        sys.exit(f"submit: shards {', '.join(failed)} failed; see their logs and run this again")


if __name__ == "__main__":
    common.run(main)
