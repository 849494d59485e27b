"""Configuration S of the bench: a small Transformer on the 16 strings of a^n b^n up to length 32.

Claim: none; it is to be timed from outside, with no check or snapshot before the end.
Command: python -m launch.sweep --config=configs/bench_s.py --workdir=results/bench_s
Fields: --config.members=64 (seeds) and --config.steps=1000; what it takes: docs/bench.md.
"""

from ml_collections import ConfigDict

from identjax.axes import Axis, axis, zipped


def get_config() -> ConfigDict:
    """Everything that the members share, and how many there are."""
    config = ConfigDict()
    config.language = "L3"
    config.max_length = 32
    config.batch = 16
    config.architecture = "transformer"
    config.preset = "paper"
    config.model = ConfigDict({"transformer": {"d_model": 8, "heads": 4, "ff": 128, "layers": 2}})
    config.optimizer = "adamw"
    config.learning_rate = 2e-3
    config.weight_decay = 0.01
    config.schedule = "constant"
    config.warmup = 0
    config.clip = 0.0
    config.dropout = 0.1
    config.steps = 1000
    # A reference: steps set on the command line move the one check with them, to the end.
    config.check_every = config.get_ref("steps")
    config.rungs = ()
    config.width = 0
    config.members = 64
    return config


def get_sweep(members: int = 64) -> Axis:
    """Members that differ by the seeds of their parameters and of their dropout."""
    return zipped(axis("init_seed", range(members)), axis("noise_seed", range(members)))
