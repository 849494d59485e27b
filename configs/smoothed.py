"""How much the loss allows: a^n b^n with a little noise, so that no prompt is impossible.

Claim: a member within ε of the truth is within ε / p(s) of it after a prompt s that a string begins
with by probability p(s). Members use that room: at equal loss they part after improbable prompts.
Command: python -m launch.sweep --config=configs/smoothed.py --workdir=results/smoothed
Expected: 96 members, at 10%, 1% and 0.1% noise; about two hours on two cores. With
`--config=configs/smoothed.py:smoke` 16 members at 1%, all within 0.01 nats; about four minutes.
"""

from ml_collections import ConfigDict

from identjax.axes import axis, product, zipped


def get_config(variant: str = "") -> ConfigDict:
    """Everything that the members share: 1% noise, at full size or in minutes."""
    config = ConfigDict()
    config.language = "smoothed"
    config.language_options = ConfigDict({"smoothed": {"base": "L3", "weight": 0.01}})
    config.max_length = 10
    config.model = ConfigDict(
        {
            "transformer": {"d_model": 32, "heads": 4, "ff": 128, "layers": 2},
            "lstm": {"hidden": 32, "layers": 1},
        }
    )
    config.optimizer = "adamw"
    config.schedule = "cosine"
    config.warmup = 100
    config.clip = 1.0
    config.weight_decay = 0.01
    config.check_every = 100
    config.rungs = (1.0, 0.3, 0.1, 0.03, 0.01, 0.003)
    config.data_seed = 0
    config.smoke = variant == "smoke"
    config.batch = 64 if config.smoke else 128
    config.steps = 4000 if config.smoke else 10000
    return config


def get_sweep(smoke: bool = False) -> list[dict[str, object]]:
    """Both architectures over initialisation seeds; at full size, for three shares of noise."""
    architecture = zipped(
        axis("architecture", ["transformer", "lstm"]), axis("learning_rate", [3e-3, 1e-2])
    )
    members = product(architecture, axis("init_seed", range(8 if smoke else 16)))
    if smoke:
        return members
    return product(axis("language_options.smoothed.weight", [0.1, 0.01, 0.001]), members)
