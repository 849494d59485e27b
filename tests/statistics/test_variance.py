"""Variance shares on planted effects."""

import numpy as np
import pytest

from identjax.statistics.variance import RESIDUAL, decompose_variance

FACTORS, SEEDS = ["architecture", "optimizer"], ["init_seed", "data_seed"]


def design(inits=8, datas=3):
    return [
        {
            "architecture": kind,
            "optimizer": "adamw",
            "learning_rate": {"x": 0.1, "y": 0.2}[kind],
            "init_seed": i,
            "data_seed": d,
        }
        for kind in "xy"
        for i in range(inits)
        for d in range(datas)
    ]


def respond(rows, architecture=0.0, init_seed=0.0, data_seed=0.0, noise=0.0, seed=0):
    rng = np.random.default_rng(seed)
    sizes = {"init_seed": init_seed, "data_seed": data_seed}
    seeds = {name: size * rng.normal(size=(2, 20)) for name, size in sizes.items()}
    return np.array(
        [
            architecture * (row["architecture"] == "x")
            + sum(effect["xy".index(row["architecture"]), row[s]] for s, effect in seeds.items())
            + noise * rng.normal()
            for row in rows
        ]
    )


def shares(values, rows, **options):
    found = decompose_variance(values, rows, FACTORS, SEEDS, resamples=60, **options)
    return {share.source: share for share in found}


@pytest.mark.parametrize("source", ["architecture", "init_seed", "data_seed"])
def test_the_one_source_there_is_explains_everything(source):
    rows = design()
    found = shares(respond(rows, **{source: 1.0}), rows)
    assert found[source].share.value == pytest.approx(
        1, abs=0.35 if source != "architecture" else 1e-6
    )
    for other in set(found) - {source, "architecture"}:
        assert abs(found[other].share.value) < 1e-6


def test_noise_alone_is_residual():
    rows = design()
    estimates = [shares(respond(rows, noise=1.0, seed=k), rows) for k in range(5)]
    for source in ("architecture", "init_seed", "data_seed"):
        assert abs(np.mean([found[source].share.value for found in estimates])) < 0.1
    assert np.mean([found[RESIDUAL].share.value for found in estimates]) > 0.9
    # Without the correction fourteen seeds would seem to explain a good part of noise.
    assert np.mean([found["init_seed"].raw for found in estimates]) > 0.2


def test_shares_of_a_balanced_design_add_up_and_lie_in_their_intervals():
    rows = design()
    found = shares(respond(rows, architecture=1.0, init_seed=1.0, noise=0.5), rows)
    assert sum(share.share.value for share in found.values()) == pytest.approx(1, abs=0.05)
    for share in found.values():
        assert share.share.low <= share.share.value <= share.share.high
        assert share.share.n == len(rows)


def test_seeds_of_different_architectures_have_nothing_in_common():
    rows = design()
    # Seed 0 is high for one architecture and low for the other: crossed, that would cancel.
    values = np.array(
        [(1 if r["architecture"] == "x" else -1) * (r["init_seed"] % 2) for r in rows]
    )
    found = shares(values.astype(float), rows)
    assert found["init_seed"].share.value > 0.4
    assert found["init_seed"].freedom == 14


def test_a_covariate_takes_what_is_its_own():
    rows = design()
    kl = np.exp(np.random.default_rng(2).normal(size=len(rows)))
    found = shares(np.log(kl), rows, kl_nats=kl)
    assert found["log KL to the truth"].share.value == pytest.approx(1, abs=0.05)


def test_seeds_without_replicates_are_said_to_be_in_the_residual():
    rows = design(datas=1)
    found = shares(respond(rows, architecture=1.0, init_seed=0.5), rows)
    assert set(found) == {"architecture", RESIDUAL}
    assert "init_seed" in found[RESIDUAL].note
    assert found[RESIDUAL].share.value > 0.05


def test_seeds_that_go_together_leave_a_residual_in_every_resample():
    rows = [row | {"data_seed": row["init_seed"]} for row in design(datas=1)]
    found = shares(respond(rows, architecture=1.0, init_seed=0.5), rows)
    residual = found[RESIDUAL]
    assert residual.note == "holds init_seed, data_seed"
    assert 0 < residual.share.low < residual.share.value < residual.share.high


def test_three_seeds_a_cell_give_shares_without_intervals():
    rows = design(inits=3)
    found = shares(respond(rows, architecture=1.0, noise=0.5), rows)
    assert found["architecture"].share.value > 0.3
    assert np.isnan([found["architecture"].share.low, found["architecture"].share.high]).all()


def test_fields_that_vary_together_are_one_source():
    rows = design()
    found = decompose_variance(
        respond(rows, architecture=1.0, noise=0.1),
        rows,
        ["architecture", "learning_rate"],
        SEEDS,
        resamples=20,
    )
    assert [share.source for share in found][:2] == ["architecture", "init_seed"]
    assert found[0].note == "with learning_rate"
