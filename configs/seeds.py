"""Initialisation or order of the data: which of the two seeds explains behaviour at equal loss?

Claim: how members differ on impossible prompts can be split over architecture, weight decay (AdamW
against Adam), initialisation and data order, with an interval for each. The seeds are crossed on a
language whose strings are drawn, so that each has replicates.
Command: python -m launch.sweep --config=configs/seeds.py --workdir=results/seeds
Expected: 64 members in 4 groups, five minutes on two cores that others use too; all reach 0.1 nats.
"""

from ml_collections import ConfigDict

from identjax.axes import Axis, axis, product


def get_config() -> ConfigDict:
    """Nested brackets up to length 16, in fresh draws."""
    config = ConfigDict()
    config.language = "L4"
    config.max_length = 16
    config.batch = 32
    config.batching = "stratified"
    config.preset = "small"
    config.learning_rate = 1e-2
    config.schedule = "cosine"
    config.steps = 1500
    config.warmup = 100
    config.clip = 1.0
    config.check_every = 100
    config.rungs = (1.0, 0.3, 0.1, 0.03)
    config.init_seeds = 4
    config.data_seeds = 4
    return config


def get_sweep(init_seeds: int = 4, data_seeds: int = 4) -> Axis:
    """Two architectures × two optimizers × every initialisation with every order of the data."""
    return product(
        axis("architecture", ["transformer", "lstm"]),
        axis("optimizer", ["adamw", "adam"]),
        axis("init_seed", range(init_seeds)),
        axis("data_seed", range(data_seeds)),
    )
