"""Three sizes of each architecture at equal loss: does what the rule gets move with size?

Claim: at equal distance from the truth of a^n b^n, what members do on impossible prompts goes with
the architecture and the seed, and little with size: no size makes the loss decide.
Command: python -m launch.sweep --config=configs/sizes.py:smoke --workdir=results/sizes, then
launch.evaluate and launch.report with that workdir.
Expected: with :smoke 48 members in 6 groups, all within 0.03. There, of the squared divergence (JS)
architecture has 67% [59, 73], size 2% [0, 6], seeds the rest; of the R1 rate 16% [1, 36], 15% [0,
35] and 70%; mean rates .40, .36 and .33 (LSTM, small to large), .35, .27 and .30 (Transformer). The
three commands took 14 minutes on two cores with much other work, 7 of them training; a third of
that or so on quiet ones. Without :smoke 96 members take four times as long.
"""

from collections.abc import Sequence

from ml_collections import ConfigDict

from identjax.axes import Axis, axis, chain, product

WIDTHS = (16, 32, 64)


def get_config(variant: str = "") -> ConfigDict:
    """One recipe for all sizes; the sweep replaces architecture, learning rate and widths."""
    smoke = variant == "smoke"
    config = ConfigDict()
    config.language = "L3"
    config.max_length = 32
    config.model = ConfigDict({"transformer": {"heads": 4, "layers": 2}, "lstm": {"layers": 1}})
    config.optimizer = "adamw"
    config.schedule = "cosine"
    config.weight_decay = 0.01
    config.warmup = 100
    config.clip = 1.0
    config.steps = 2000 if smoke else 4000
    config.check_every = 50
    config.rungs = (1.0, 0.3, 0.1, 0.03, 0.01, 0.003)
    config.widths = WIDTHS
    config.seeds = 8 if smoke else 16
    return config


def get_sweep(widths: Sequence[int] = WIDTHS, seeds: int = 16) -> Axis:
    """Every width of both architectures, each at one learning rate, over the same seeds."""
    transformers = [
        {"architecture": "transformer", "learning_rate": 3e-3}
        | {"model.transformer.d_model": width, "model.transformer.ff": 4 * width}
        for width in widths
    ]
    lstms = [
        {"architecture": "lstm", "learning_rate": 1e-2, "model.lstm.hidden": width}
        for width in widths
    ]
    return product(chain(transformers, lstms), axis("init_seed", range(seeds)))
