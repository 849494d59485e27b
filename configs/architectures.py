"""Ten architectures' `small` preset on a^n b^n: how many steps until the loss is the truth's.

Claim: each reaches 0.01 nats per sequence for most of 8 seeds, the linear model included.
Command: python -m launch.sweep --config=configs/architectures.py --workdir=results/architectures
Expected: two minutes on two cores; the step at which a member first came within 0.01 nats is that
of its snapshot at rung 0.01. What the linear model cannot learn shows on parity, where its optimum
stays a positive distance from the truth: --config.language=L1 --config.max_length=8
--config.steps=6000 --config.architecture=linear (or lstm), in a workdir of its own.
"""

from ml_collections import ConfigDict

from identjax.axes import Axis, axis, product

ARCHITECTURES = (
    "transformer",
    "rnn",
    "gru",
    "lstm",
    "mamba",
    "lru",
    "xlstm",
    "linear",
    "stack_rnn",
    "tape_rnn",
)


def get_config() -> ConfigDict:
    """One rate for all; a member stops once it is within 0.01 nats."""
    config = ConfigDict()
    config.language = "L3"
    config.architecture = "linear"
    config.max_length = 32
    config.preset = "small"
    config.optimizer = "adamw"
    config.schedule = "cosine"
    config.learning_rate = 1e-2
    config.steps = 3000
    config.warmup = 100
    config.clip = 1.0
    config.check_every = 50
    config.stop_below = 0.01
    config.rungs = (1.0, 0.1, 0.01)
    config.seeds = 8
    return config


def get_sweep(seeds: int = 8) -> Axis:
    """The architectures, over initialisation seeds."""
    return product(axis("architecture", ARCHITECTURES), axis("init_seed", range(seeds)))
