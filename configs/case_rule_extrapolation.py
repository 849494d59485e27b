"""Case 1, rule extrapolation: three clouds of members that the loss cannot tell apart.

Claim: Transformers that learnt a^n b^n from the data alone (mle), with a term for completing
impossible prompts by the rule (oracle) or against it (adversarial), come equally close to the truth
and are perfect in distribution; on impossible prompts that none of them was taught, the rule
"as many a's as b's" holds from never to always.
Command: python -m launch.sweep --config=configs/case_rule_extrapolation.py --workdir=results/case_1
on an accelerator (configs/case_rule_extrapolation.py:smoke on two CPU cores), then launch.evaluate
and launch.report with the same workdir.
Expected: SMOKE
"""

from ml_collections import ConfigDict

from identjax.sweep.axes import Axis, axis, product

OBJECTIVES = ("mle", "oracle", "adversarial")
TRANSFORMERS = {
    "smoke": {"d_model": 32, "heads": 4, "ff": 128, "layers": 2},
    "full": {"d_model": 64, "heads": 4, "ff": 256, "layers": 4},
}


def get_config(variant: str = "full") -> ConfigDict:
    """One recipe for the three objectives; `smoke` is smaller and shorter."""
    smoke = variant == "smoke"
    config = ConfigDict()
    config.language = "L3"
    config.max_length = 32 if smoke else 64
    config.architecture = "transformer"
    config.model = ConfigDict({"transformer": TRANSFORMERS[variant]})
    config.objective = "mle"
    config.objective_weight = 1.0
    config.optimizer = "adamw"
    config.schedule = "cosine"
    config.learning_rate = 3e-3 if smoke else 1e-3
    config.weight_decay = 0.01
    config.warmup = 100
    config.clip = 1.0
    config.steps = 3000 if smoke else 20000
    config.check_every = 50 if smoke else 200
    config.rungs = (1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001)
    config.seeds = 8 if smoke else 128
    return config


def get_sweep(seeds: int = 128) -> Axis:
    """The three objectives, each over the same initialisation seeds."""
    return product(axis("objective", OBJECTIVES), axis("init_seed", range(seeds)))
