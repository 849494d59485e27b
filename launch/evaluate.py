"""Evaluate the snapshots of a sweep: likelihoods, rule rates, completions and pairwise measures.

python -m launch.evaluate --workdir=results/quickstart
python -m launch.evaluate --workdir=OUT --checkpoint=DIR --language=L3 --model=lstm --preset=small
"""

import ast

from absl import flags

import identjax
from identjax.evaluation.behaviour import Decoding
from identjax.evaluation.checkpoint_run import CheckpointRun
from identjax.evaluation.evaluate import evaluate
from identjax.evaluation.rollouts import evaluate_rollouts
from launch import common

WORKDIR = flags.DEFINE_string("workdir", None, "The results folder.")
RUNGS = flags.DEFINE_list("rungs", None, 'Only these rungs, such as 0.01,final or "@1000".')
SPLITS = flags.DEFINE_list("splits", None, "Only these splits: id, ood, bos, published_ood …")
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
    """Evaluate what is new, and say how the folder stands."""
    workdir = common.need("workdir", WORKDIR.value)
    run = open_checkpoint(workdir) if CHECKPOINT.value else identjax.open(workdir)
    decoding = Decoding(LENGTH.value, SAMPLE.value)
    with run.store.writing("evals"):
        outcome = evaluate(run, RUNGS.value, SPLITS.value, decoding)
        extra = evaluate_rollouts(run, ROLLOUTS.value, RUNGS.value) if ROLLOUTS.value else 0
    print(*outcome.describe(run.workdir, extra), sep="\n")


def open_checkpoint(workdir: str) -> CheckpointRun:
    """Open what the flags name."""
    names = common.need("language", LANGUAGE.value), common.need("model", MODEL.value)
    pairs = [text.partition("=") for text in OPTION.value]
    options = {name: read_value(value) for name, _, value in pairs}
    return CheckpointRun(CHECKPOINT.value, workdir, *names, PRESET.value, MAX_LENGTH.value, options)


def read_value(text: str) -> object:
    """Read a number, or text as it is."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


if __name__ == "__main__":
    common.run(main)
