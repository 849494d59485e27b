"""Case 1, rule extrapolation: three clouds of members that the loss cannot tell apart.

Claim: members that learnt a^n b^n from the data alone (mle), or with a term that completes some
impossible prompts by the rule (oracle) or against it (adversarial), come equally close to the truth
and are perfect in distribution; on impossible prompts that none of them was taught, the rule "as
many a's as b's" holds from never to always.
Command: python -m launch.sweep --config=configs/case_rule_extrapolation.py:smoke
--workdir=results/case_rule_extrapolation, then launch.evaluate and launch.report with that workdir.
Expected: under five minutes in all on two cores; 24 of 24 Transformers come within 0.001, and their
mean R1 rate out of distribution is below .05 (adversarial), .2 to .6 (mle) and above .95 (oracle).
Without :smoke it is 384 members, Transformers and LSTMs, for an accelerator.
"""

from collections.abc import Sequence

from ml_collections import ConfigDict

from identjax.axes import Axis, axis, product, zipped

OBJECTIVES = ("mle", "oracle", "adversarial")
ARCHITECTURES = ("transformer", "lstm")
LEARNING_RATES = {"transformer": 3e-3, "lstm": 1e-2}

_P1 = {"language": "L3", "rule": "R1", "architecture": "Transformer"}
PUBLISHED = [
    {
        **_P1,
        "objective": name,
        "source": f"Reizinger et al. 2024, {far} nats",
        "split": split,
        "n": n,
        "mean": mean,
    }
    for name, far, n, means in (
        ("mle", 0.65, 34, (1.0, 0.462)),
        ("oracle", 0.26, 44, (1.0, 0.83)),
        ("adversarial", 0.89, 50, (0.12, 0.0)),
    )
    for split, mean in zip(("id", "ood"), means, strict=True)
]


def get_config(variant: str = "") -> ConfigDict:
    """One recipe for all objectives; `smoke` is Transformers with a few seeds.

    The sweep replaces `architecture`, `learning_rate` and `objective`, unless the command line
    sets them. Published means are those of P1 (Reizinger et al. 2024), on the prompts it taught.
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
    config.objective = "mle"
    config.objective_weight = 1.0
    config.optimizer = "adamw"
    config.schedule = "cosine"
    config.weight_decay = 0.01
    config.warmup = 100
    config.clip = 1.0
    config.steps = 3000
    config.check_every = 50
    config.rungs = (1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001)
    config.architectures = ARCHITECTURES[:1] if variant == "smoke" else ARCHITECTURES
    config.seeds = 8 if variant == "smoke" else 64
    return config


def get_sweep(seeds: int = 64, architectures: Sequence[str] = ARCHITECTURES) -> Axis:
    """Every objective over the same initialisation seeds, each architecture at its own rate."""
    rates = [LEARNING_RATES[name] for name in architectures]
    architecture = zipped(axis("architecture", architectures), axis("learning_rate", rates))
    return product(architecture, axis("objective", OBJECTIVES), axis("init_seed", range(seeds)))
