"""Rule extrapolation: six languages, ten architectures, three optimizers, at equal loss.

Claim: members whose law is the truth's within a small ε obey the rule R1 on impossible prompts at
rates that differ between architectures, and between seeds of one architecture.
Command: python -m launch.sweep --config=configs/rule_extrapolation.py --workdir=results/rules
Expected: 1,440 members in 180 groups; a night on two cores. `--config=…py:smoke` is an incomplete
block of 96 members (each language with two architectures, each of the ten at least once, AdamW):
under five minutes on two cores with its evaluation and report.
"""

from ml_collections import ConfigDict

from identjax.axes import Axis, axis, chain, product, zipped

LANGUAGES = ("L1", "L2", "L3", "L4", "L5", "L6")
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
OPTIMIZERS = {"adamw": 1e-2, "adam": 1e-2, "sgd": 0.3}
BLOCK = {
    "L1": ("lstm", "rnn"),
    "L2": ("gru", "linear"),
    "L3": ("transformer", "lstm"),
    "L4": ("stack_rnn", "transformer"),
    "L5": ("mamba", "lru"),
    "L6": ("tape_rnn", "xlstm"),
}

_P1 = {
    "language": "L3",
    "architecture": "Transformer",
    "source": "Reizinger et al. 2024, length 256, 0.65 nats from the truth",
    "n": 34,
}
PUBLISHED = [
    {**_P1, "split": "id", "rule": "R1", "mean": 1.0},
    {**_P1, "split": "ood", "rule": "R1", "mean": 0.462, "smallest": 0.34, "largest": 0.63},
    {**_P1, "split": "ood", "rule": "R2c", "mean": 1.0},
]


def get_config(variant: str = "") -> ConfigDict:
    """Everything that the members share, at full size or as a block that takes minutes."""
    config = ConfigDict()
    config.preset = "small"
    config.max_length = 32
    config.batch = 64
    config.schedule = "cosine"
    config.steps = 4000
    config.warmup = 100
    config.clip = 1.0
    config.momentum = 0.9
    config.check_every = 100
    config.rungs = (1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001)
    config.snapshot_steps = (100, 200, 400, 800, 1600, 3200)
    config.seeds = 8
    config.block = variant == "smoke"
    if config.block:
        config.max_length = 16
        config.batch = 32
        config.steps = 1500
        config.rungs = (1.0, 0.3, 0.1, 0.03, 0.01)
        config.snapshot_steps = ()
    return config


def get_sweep(seeds: int = 8, block: bool = False) -> Axis:
    """Languages × architectures × optimizers × seeds, or the block of these."""
    seed = zipped(axis("init_seed", range(seeds)), axis("data_seed", range(seeds)))
    if block:
        cells = chain(
            *(
                product(axis("language", [language]), axis("architecture", architectures))
                for language, architectures in BLOCK.items()
            )
        )
        return product(cells, _optimizers("adamw"), seed)
    cells = product(axis("language", LANGUAGES), axis("architecture", ARCHITECTURES))
    return product(cells, _optimizers(*OPTIMIZERS), seed)


def _optimizers(*names: str) -> Axis:
    """Give each optimizer a learning rate that suits it."""
    return zipped(
        axis("optimizer", names), axis("learning_rate", [OPTIMIZERS[name] for name in names])
    )
