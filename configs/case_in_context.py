"""In-context learning: at equal loss, how well does a model learn from the examples in its prompt?

Claim: members within the same ε of GINC, or of RegBench's random automata, differ in how many
in-context questions they answer rightly, and the loss hardly asks for any: a predictor that flips
its answer to every prompt of a form costs a KL that falls geometrically with the examples.
Command: python -m launch.sweep --config=configs/case_in_context.py:smoke
--workdir=results/case_in_context, then launch.evaluate and launch.report with that workdir.
Expected: of the construction, agreement 0 with the truth's own answer, and accuracy at most .10
from two examples on, at a KL below its bound. How members compare has not been measured yet, nor
the time. :smoke is for two cores; without it members are on longer documents; :full has the sizes
of the paper, for an accelerator.
"""

from ml_collections import ConfigDict

from identjax.sweep.axes import Axis, axis, chain, product, zipped

# By variant: symbols of a GINC document and of a RegBench sequence, widths, steps, batch, seeds.
SIZES = {
    "smoke": ((36, 41), (16, 64), 800, 32, 2),
    "": ((72, 119), (32, 128), 10000, 64, 4),
    "full": ((1024, 949), (128, 768), 50000, 16, 4),
}
REGBENCH = {
    "smoke": {"pool": 8, "letters": 8, "states": 6, "fewest": 4, "most_strings": 6, "longest": 6},
    "": {"pool": 32, "letters": 12, "states": 8, "fewest": 6, "most_strings": 12, "longest": 9},
    "full": {"pool": 1024},
}


def get_config(variant: str = "") -> ConfigDict:
    """One recipe for all members; the sweep replaces what it lists."""
    lengths, widths, steps, batch, seeds = SIZES[variant]
    deep = variant == "full"
    config = ConfigDict()
    config.language = "ginc"
    config.max_length = lengths[0]
    config.language_options = ConfigDict({"ginc": {"words": 50}, "regbench": REGBENCH[variant]})
    config.architecture = "transformer"
    config.learning_rate = 3e-3
    config.model = ConfigDict(
        {
            "transformer": {"d_model": widths[0], "heads": 4, "layers": 12 if deep else 2},
            "lstm": {"hidden": widths[0], "layers": 6 if deep else 1},
        }
    )
    config.objective = "mle"
    config.optimizer = "adamw"
    config.schedule = "cosine"
    config.warmup = 100
    config.clip = 1.0
    config.batch = batch
    config.steps = steps
    config.check_every = steps // 10
    config.check_size = 64
    config.rungs = (60.0, 40.0, 20.0, 10.0, 5.0, 2.0)
    config.lengths = lengths
    config.widths = widths
    config.seeds = seeds
    return config


def get_sweep(
    lengths: tuple[int, int] = SIZES[""][0],
    widths: tuple[int, int] = SIZES[""][1],
    seeds: int = 4,
) -> Axis:
    """Two sizes of each architecture on both languages, and one on GINC that is taught to flip."""
    languages = zipped(axis("language", ["ginc", "regbench"]), axis("max_length", lengths))
    transformers = [
        {"architecture": "transformer", "learning_rate": 3e-3}
        | {"model.transformer.d_model": width, "model.transformer.ff": 4 * width}
        for width in widths
    ]
    lstms = [
        {"architecture": "lstm", "learning_rate": 1e-2, "model.lstm.hidden": width}
        for width in widths
    ]
    taught = [{**languages[0], **lstms[-1], "objective": "flip"}]
    learners = product(languages, chain(transformers, lstms))
    return product(chain(learners, taught), axis("init_seed", range(seeds)))
