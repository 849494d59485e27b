"""Evaluate the snapshots of a sweep: likelihoods, rule rates, completions, pairs, and studies.

python -m launch.evaluate --workdir=results/quickstart
python -m launch.evaluate --workdir=results/quickstart --skip=pairwise,sets
python -m launch.evaluate --workdir=OUT --checkpoint=DIR --language=L3 --model=lstm --preset=small
"""

import sys

from absl import flags

import identjax
from identjax.evaluation.checkpoint_run import CheckpointRun
from identjax.evaluation.evaluate import evaluate
from identjax.evaluation.prompting import Decoding
from identjax.registry import read_pairs
from launch import common

WORKDIR = flags.DEFINE_string("workdir", None, "The results folder.")
RUNGS = flags.DEFINE_list("rungs", None, 'Only these rungs, such as 0.01,final or "@1000".')
SPLITS = flags.DEFINE_list("splits", None, "Only these splits: id, ood, bos, published_ood …")
MEASURES = flags.DEFINE_list("measures", None, "Only these measures, whatever the config asks.")
SKIP = flags.DEFINE_list("skip", [], "Not these measures.")
LENGTH = flags.DEFINE_integer("prompt_length", None, "Prompts of this length, to ablations/.", 1)
SAMPLE = flags.DEFINE_integer("sample_seed", None, "Sample with this seed, to ablations/.", 0)
ROLLOUTS = flags.DEFINE_integer("rollouts", None, "Sequence KL on so many prompts a split.", 2)
CHECKPOINT = flags.DEFINE_string("checkpoint", None, "An orbax checkpoint instead of a sweep.")
LANGUAGE = flags.DEFINE_string("language", None, "The language of the checkpoint.")
MODEL = flags.DEFINE_string("model", None, "The architecture of the checkpoint.")
PRESET = flags.DEFINE_string("preset", "small", "The preset of the checkpoint's architecture.")
MAX_LENGTH = flags.DEFINE_integer("max_length", 32, "The checkpoint's maximum length.", 1)
OPTION = flags.DEFINE_multi_string("option", [], "NAME=VALUE of the checkpoint's architecture.")


def main() -> None:
    """Evaluate what is new, say how the folder stands, and fail where a measure did."""
    workdir = common.need("workdir", WORKDIR.value)
    run = open_checkpoint(workdir) if CHECKPOINT.value else identjax.open(workdir)
    decoding, wanted = Decoding(LENGTH.value, SAMPLE.value), (MEASURES.value, SKIP.value)
    with run.store.writing("evals"):
        outcome = evaluate(run, RUNGS.value, SPLITS.value, decoding, print, *wanted)
        if ROLLOUTS.value:
            options = {"rollouts": {"prompts": ROLLOUTS.value}}
            evaluate(run, RUNGS.value, measures=list(options), options=options)
    print(*outcome.describe(run.workdir), sep="\n", flush=True)
    if outcome.failures:
        sys.exit("\n".join(f"evaluate: {line}" for line in outcome.failures))


def open_checkpoint(workdir: str) -> CheckpointRun:
    """Open what the flags name."""
    names = common.need("language", LANGUAGE.value), common.need("model", MODEL.value)
    options = read_pairs("option", OPTION.value)
    return CheckpointRun(CHECKPOINT.value, workdir, *names, PRESET.value, MAX_LENGTH.value, options)


if __name__ == "__main__":
    common.run(main)
