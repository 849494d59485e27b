"""Configurations S and P of the bench: Transformers on all of a^n b^n to length 32 or 256.

Claim: none; they are to be timed from outside, with no check or snapshot before the end.
Command: python -m launch.sweep --config=configs/bench.py:p --workdir=results/bench_p
Variants: `s`, small, on 16 strings (the default), and `p`, that of the papers, on 128.
Fields: --config.members=64 (seeds) and --config.steps=1000; what it takes: docs/bench.md.
"""

from ml_collections import ConfigDict

from identjax.axes import Axis, axis, zipped

SIZES = {
    "s": {"max_length": 32, "batch": 16, "steps": 1000},
    "p": {"max_length": 256, "batch": 128, "steps": 20},
}
WIDTHS = {
    "s": {"d_model": 8, "heads": 4, "ff": 128, "layers": 2},
    "p": {"d_model": 10, "heads": 5, "ff": 1024, "layers": 5},
}


def get_config(variant: str = "s") -> ConfigDict:
    """Everything that the members share, and how many there are."""
    config = ConfigDict(SIZES[variant])
    config.language = "L3"
    config.architecture = "transformer"
    config.preset = "paper"
    config.model = ConfigDict({"transformer": WIDTHS[variant]})
    config.optimizer = "adamw"
    config.learning_rate = 2e-3
    config.weight_decay = 0.01
    config.schedule = "constant"
    config.warmup = 0
    config.clip = 0.0
    config.dropout = 0.1
    # A reference: steps set on the command line move the one check with them, to the end.
    config.check_every = config.get_ref("steps")
    config.rungs = ()
    config.width = 0
    config.members = 64
    return config


def get_sweep(members: int = 64) -> Axis:
    """Members that differ by the seeds of their parameters and of their dropout."""
    return zipped(axis("init_seed", range(members)), axis("noise_seed", range(members)))
