"""Equal loss, unequal behaviour: Transformers and LSTMs on a^n b^n, apart by their seeds alone.

Claim: members whose law is the truth's within 0.01 nats per sequence, and whose completions are
perfect in distribution, obey the rule "as many a's as b's" on impossible prompts anywhere from
hardly ever to most of the time.
Command: make demo
Expected: under three minutes on two cores; at least three quarters of the 32 members reach 0.01.
"""

from ml_collections import ConfigDict

from identjax.axes import axis, product, zipped


def get_config() -> ConfigDict:
    """Everything that the members share, and how many seeds there are.

    The sweep replaces `architecture` and `learning_rate`, unless the command line sets them.
    """
    config = ConfigDict()
    config.language = "L3"
    config.max_length = 32
    config.architecture = "transformer"
    config.learning_rate = 3e-3
    config.model = ConfigDict(
        {
            "transformer": {"d_model": 32, "heads": 4, "ff": 128, "layers": 2},
            "lstm": {"hidden": 32, "layers": 1},
        }
    )
    config.optimizer = "adamw"
    config.schedule = "cosine"
    config.steps = 3000
    config.warmup = 100
    config.clip = 1.0
    config.dropout = 0.0
    config.weight_decay = 0.01
    config.check_every = 50
    config.rungs = (1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001)
    config.data_seed = 0
    config.width = 0
    config.save_seconds = 15.0
    config.seeds = 16
    return config


def get_sweep(seeds: int = 16) -> list[dict[str, object]]:
    """Both architectures, each at a learning rate that suits it, over initialisation seeds."""
    architecture = zipped(
        axis("architecture", ["transformer", "lstm"]), axis("learning_rate", [3e-3, 1e-2])
    )
    return product(architecture, axis("init_seed", range(seeds)))
