"""In-context learning: at equal loss, how well does a model learn from the examples in its prompt?

Claim: members within the same ε of GINC, or of RegBench's random automata, differ in how many
in-context questions they answer rightly, and the loss hardly asks for any: a predictor that flips
its answer to every prompt of a form costs a KL that falls geometrically with the examples, and
members that are taught to flip on some prompts flip on others within the ε of those that are not.
Command: python -m launch.sweep --config=configs/case_in_context.py:smoke
--workdir=results/case_in_context, then launch.evaluate and launch.report with that workdir.
Expected: about five minutes in all on two cores. Of the construction, agreement 0 with the truth's
own answer, and accuracy at most .10 from two examples on, at a KL below its bound. On GINC, at
ε = 32 and from two examples of 3 symbols on, members answer .27 to .44 of the prompts rightly, and
those taught to flip .07 to .16; chance is .02, and Bayes that knows the format 1. On RegBench, at
ε = 8, all answer .84 to .98 of the prompts with an example before. Members of :smoke are small and
far from the truth; without it they are on longer documents; :full has the sizes of the paper, for
an accelerator.
"""

from collections.abc import Mapping, Sequence

from ml_collections import ConfigDict

from identjax.axes import Axis, axis, chain, product, zipped

# By variant; pairs are for GINC and RegBench, or a small model and a large one.
VARIANTS = {
    "smoke": {
        "lengths": (36, 41),
        "steps": (1000, 500),
        "check_every": 50,
        "transformers": (32, 64),
        "lstms": (48, 96),
        "rates": {"transformer": 1e-2, "lstm": 1e-2},
        "batch": 32,
        "seeds": 2,
        "rungs": (40.0, 32.0, 8.0, 2.0),
    },
    "": {
        "lengths": (72, 119),
        "steps": (10000, 10000),
        "check_every": 500,
        "transformers": (32, 128),
        "lstms": (32, 128),
        "rates": {"transformer": 3e-3, "lstm": 1e-2},
        "batch": 64,
        "seeds": 4,
        "rungs": (60.0, 40.0, 30.0, 20.0, 10.0, 5.0, 2.0),
    },
    "full": {
        "lengths": (1024, 949),
        "steps": (50000, 50000),
        "check_every": 1000,
        "transformers": (128, 768),
        "lstms": (128, 768),
        "rates": {"transformer": 5e-4, "lstm": 1e-3},
        "batch": 16,
        "seeds": 4,
        "rungs": (500.0, 300.0, 200.0, 100.0, 50.0, 20.0, 10.0),
    },
}
REGBENCH = {
    "smoke": {"pool": 8, "letters": 8, "states": 6, "fewest": 4, "most_strings": 6, "longest": 6},
    "": {"pool": 32, "letters": 12, "states": 8, "fewest": 6, "most_strings": 12, "longest": 9},
    "full": {"pool": 1024},
}


def get_config(variant: str = "") -> ConfigDict:
    """One recipe for all members; the sweep replaces what it lists."""
    sizes, deep = VARIANTS[variant], variant == "full"
    config = ConfigDict()
    config.language_options = ConfigDict({"ginc": {"words": 50}, "regbench": REGBENCH[variant]})
    config.model = ConfigDict(
        {
            "transformer": {"heads": 4, "layers": 12 if deep else 2},
            "lstm": {"layers": 6 if deep else 1},
        }
    )
    config.objective = "mle"
    config.optimizer = "adamw"
    config.schedule = "cosine"
    config.warmup = 100
    config.clip = 1.0
    config.check_size = 64
    config.update(sizes)
    return config


def get_sweep(
    lengths: Sequence[int] = VARIANTS[""]["lengths"],
    steps: Sequence[int] = VARIANTS[""]["steps"],
    transformers: Sequence[int] = VARIANTS[""]["transformers"],
    lstms: Sequence[int] = VARIANTS[""]["lstms"],
    rates: Mapping[str, float] = VARIANTS[""]["rates"],
    seeds: int = VARIANTS[""]["seeds"],
) -> Axis:
    """Two sizes of each architecture on both languages, and one on GINC that is taught to flip."""
    languages = zipped(
        axis("language", ["ginc", "regbench"]), axis("max_length", lengths), axis("steps", steps)
    )
    learners = [
        {"architecture": "transformer", "learning_rate": rates["transformer"]}
        | {"model.transformer.d_model": width, "model.transformer.ff": 4 * width}
        for width in transformers
    ]
    learners += [
        {"architecture": "lstm", "learning_rate": rates["lstm"], "model.lstm.hidden": width}
        for width in lstms
    ]
    taught = [{**languages[0], **learners[-1], "objective": "flip"}]
    return product(chain(product(languages, learners), taught), axis("init_seed", range(seeds)))
