"""Shares and tests on planted effects, against sums over groups and the F distribution."""

import itertools

import numpy as np
import pytest
from scipy import special

from identjax.statistics import permanova
from identjax.statistics.attribution import Layout


def by_source(rows):
    return {row.source: row for row in rows}


def distances_of(points_NxP):
    return np.linalg.norm(points_NxP[:, None] - points_NxP[None], axis=-1)


def squares_within(distances, groups):
    """Sum of squared distances in each group over its size, by explicit sums over pairs."""
    total = 0.0
    for group in sorted(set(groups)):
        own = [i for i, label in enumerate(groups) if label == group]
        pairs = sum(distances[i, j] ** 2 for i, j in itertools.combinations(own, 2))
        total += pairs / len(own)
    return total


def omega(explained, df, noise, noise_df, total):
    return (explained - df * noise / noise_df) / (total + noise / noise_df)


def planted(choices, inits=1, datas=1, shift=lambda row: 0.0, seed=0, noise=1.0, **spread):
    """Rows of a crossed design, and one number for each."""
    names = list(choices)
    rows = [
        dict(zip(names, levels, strict=True)) | {"init": (levels[0], i), "data": d}
        for levels in itertools.product(*choices.values())
        for i in range(inits)
        for d in range(datas)
    ]
    random = np.random.default_rng(seed)
    found = np.array([shift(row) for row in rows]) + noise * random.normal(size=len(rows))
    for name, size in spread.items():
        drawn = {key: size * random.normal() for key in sorted({row[name] for row in rows})}
        found += [drawn[row[name]] for row in rows]
    return rows, found


def columns(rows, *names):
    return {name: [row[name] for row in rows] for name in names}


@pytest.mark.parametrize("sizes", [(5, 5), (3, 7), (2, 3, 4)])
def test_one_factor_agrees_with_sums_over_groups(sizes):
    random = np.random.default_rng(sum(sizes))
    groups = np.repeat(range(len(sizes)), sizes)
    far = distances_of(random.normal(size=(len(groups), 3)) + groups[:, None])
    row, rest = permanova(far, {"a": groups})
    total, within = squares_within(far, [0] * len(groups)), squares_within(far, groups)
    df, left = len(sizes) - 1, len(groups) - len(sizes)
    assert (row.source, row.df, rest.source, rest.df) == ("a", df, "residual", left)
    assert row.share == pytest.approx(omega(total - within, df, within, left, total))
    assert row.share + rest.share == pytest.approx(1)


def test_p_counts_every_arrangement_once_where_there_are_few():
    far = distances_of(np.random.default_rng(1).normal(size=(7, 2)))
    groups = np.array([0, 0, 0, 1, 1, 1, 1])
    within = [
        squares_within(far, [int(i not in chosen) for i in range(7)])
        for chosen in itertools.combinations(range(7), 3)
    ]
    row = permanova(far, {"a": groups})[0]
    assert row.p == pytest.approx(np.mean(np.array(within) <= squares_within(far, groups) + 1e-9))
    assert row.least_p == pytest.approx(1 / 35)
    assert permanova(far, {"a": groups}, permutations=20)[0].least_p == pytest.approx(1 / 21)


def test_groups_of_one_size_may_change_names_so_the_least_p_is_twice_as_large():
    row = permanova(distances_of(np.eye(6)[[0, 0, 0, 1, 1, 1]]), {"a": [0, 0, 0, 1, 1, 1]})[0]
    assert (row.p, row.least_p) == (pytest.approx(0.1), pytest.approx(0.1))


def test_two_factors_agree_with_sums_over_cells():
    rows, _ = planted({"a": "xy", "b": "uvw"}, inits=4)
    random = np.random.default_rng(2)
    points = random.normal(size=(24, 3)) + np.array(
        [[r["a"] == "x", r["b"] == "u", 0] for r in rows]
    )
    far, a, b = distances_of(points), [r["a"] for r in rows], [r["b"] for r in rows]
    found = by_source(permanova(far, {"a": a, "b": b}))
    total = squares_within(far, [0] * 24)
    of_a, of_b = total - squares_within(far, a), total - squares_within(far, b)
    within = squares_within(far, list(zip(a, b, strict=True)))
    together = total - within - of_a - of_b
    for name, squares, df in (("a", of_a, 1), ("b", of_b, 2), ("a:b", together, 2)):
        assert found[name].df == df
        assert found[name].share == pytest.approx(omega(squares, df, within, 18, total))
    assert sum(row.share for row in found.values()) == pytest.approx(1)
    assert sum(row.df for row in found.values()) == 23


def test_a_factor_in_a_design_with_gaps_is_what_it_adds_to_the_others():
    rows, values = planted({"a": "xy", "b": "uv"}, inits=5, shift=lambda r: 2.0 * (r["b"] == "u"))
    kept = [i for i in range(20) if i not in (0, 1, 2, 7)]
    rows, values = [rows[i] for i in kept], values[kept]
    found = by_source(permanova(distances_of(values[:, None]), columns(rows, "a", "b")))
    one = np.ones((16, 1))
    a, b = (np.array([[r[k] == v] for r in rows], float) for k, v in (("a", "x"), ("b", "u")))

    def left_of(*columns_NxP):
        design = np.concatenate([one, *columns_NxP], 1)
        return ((values - design @ np.linalg.lstsq(design, values, rcond=None)[0]) ** 2).sum()

    noise, total = left_of(a, b, a * b), left_of()
    explained = left_of(b) - left_of(a, b)
    assert found["a"].share * (total + noise / 12) == pytest.approx(
        explained - noise / 12, rel=0.2, abs=0.05 * total
    )
    assert found["a"].df == found["b"].df == found["a:b"].df == 1


def test_two_choices_that_only_matter_together_are_an_interaction():
    rows, values = planted(
        {"a": "xy", "b": "uv"},
        inits=8,
        noise=0.5,
        shift=lambda r: (r["a"] == "x") ^ (r["b"] == "u"),
    )
    found = by_source(permanova(distances_of(values[:, None]), columns(rows, "a", "b")))
    assert found["a:b"].share > 0.3
    assert (found["a:b"].p, found["a:b"].least_p) == (0.001, 0.001)
    assert abs(found["a"].share) < 0.1
    assert found["a"].p > 0.05


def test_members_of_a_unit_move_together_and_units_are_the_noise():
    rows, values = planted({"a": "xy"}, inits=4, datas=5, noise=0.3, init=1.0, seed=3)
    far, units = distances_of(values[:, None]), [str(r["init"]) for r in rows]
    row, rest = permanova(far, columns(rows, "a"), units=units)
    means = values.reshape(8, 5).mean(1)
    apart = 20 * (means[:4].mean() - means[4:].mean()) ** 2 / 2
    noise = 5 * ((means.reshape(2, 4) - means.reshape(2, 4).mean(1)[:, None]) ** 2).sum() / 6
    inside = ((values.reshape(8, 5) - means[:, None]) ** 2).sum() / 32
    parts = (apart - noise) / 40, (noise - inside) / 5, inside
    assert row.share == pytest.approx(parts[0] / sum(parts))
    assert row.share + rest.share == pytest.approx(1)
    splits = [np.isin(range(8), s) for s in itertools.combinations(range(8), 4)]
    gaps = np.array([abs(means[s].mean() - means[~s].mean()) for s in splits])
    assert row.p == pytest.approx(np.mean(gaps >= gaps[0] - 1e-9))
    assert row.least_p == pytest.approx(2 / 70)


def test_members_change_places_within_strata_alone():
    groups, strata = [0, 1] * 4, np.repeat(range(4), 2)
    far = distances_of(np.arange(8.0)[:, None])
    row = permanova(far, {"a": groups}, strata=strata)[0]
    # Each stratum is as it is or the other way round: 16 ways, two of which tell the same apart.
    assert (row.p, row.least_p) == (2 / 16, 2 / 16)


def test_a_choice_crossed_with_units_is_exchanged_within_them():
    rows, values = planted({"a": "x", "b": "uv"}, inits=5, datas=3, init=3.0, seed=4)
    values += np.array([r["b"] == "u" for r in rows])
    found = permanova(
        distances_of(values[:, None]), columns(rows, "b"), units=[str(r["init"]) for r in rows]
    )
    gaps = values.reshape(2, 5, 3).mean(2)
    gaps = gaps[0] - gaps[1]
    signs = np.array(list(itertools.product((-1, 1), repeat=5)))
    assert found[0].p == pytest.approx(np.mean(abs(signs @ gaps) >= abs(gaps.sum()) - 1e-9))
    assert found[0].least_p == 2 / 32


def test_a_seed_is_crossed_or_nested_as_members_have_it():
    rows, values = planted({"a": "xy", "o": "uv"}, inits=4, datas=4, init=1.0, data=0.5, noise=0.3)
    layout = Layout(columns(rows, "a", "o"), columns(rows, "init", "data"), 64)
    found = by_source(layout.split(values))
    df = {"a": 1, "o": 1, "a:o": 1, "init": 6, "data": 3, "a:data": 3, "o:init": 6, "o:data": 3}
    df |= {"init:data": 18, "residual": 21}
    assert {name: row.df for name, row in found.items()} == df
    assert sum(row.share for row in found.values()) == pytest.approx(1)
    assert found["init"].p == found["data"].p == 0.001
    assert found["init"].share > 0.4
    assert np.isnan(found["o:init"].p)
    # The same as distances.
    apart = by_source(layout.split(distances_of(values[:, None])))
    for name, row in found.items():
        assert apart[name].share == pytest.approx(row.share)
        assert apart[name].p == pytest.approx(row.p, nan_ok=True)


def notes_of(rows, choices, seeds):
    found = Layout(columns(rows, *choices), columns(rows, *seeds), len(rows)).split(
        np.arange(len(rows)) ** 1.5
    )
    return {row.source: row.note for row in found}


def test_what_cannot_be_told_apart_is_named_where_it_is():
    rows, _ = planted({"a": "xy", "o": "uv"}, inits=3)
    rows = [row | {"rate": ord(row["a"])} for row in rows]
    noted = notes_of(rows, ("a", "rate", "o"), ("init", "data"))
    assert noted == {"a": "with rate", "o": "", "a:o": "", "init": "", "residual": "holds o:init"}
    one_each, _ = planted({"a": "xy"}, inits=1, datas=4)
    noted = notes_of(one_each, ("a",), ("init", "data"))
    assert noted == {"a": "holds init", "data": "", "residual": "holds a:data"}
    plain, _ = planted({"a": "xy"}, inits=4)
    assert notes_of(plain, ("a",), ("init",)) == {"a": "", "residual": "holds init"}
    single, _ = planted({"a": "xy", "o": "uv"})
    assert notes_of(single, ("a", "o"), ()) == {"a": "", "o": "", "residual": "holds a:o"}


def test_a_choice_within_another_leaves_it_what_is_its_own():
    rows, values = planted({"rate": "pqrs"}, inits=6, shift=lambda r: 3.0 * (r["rate"] in "pq"))
    rows = [row | {"a": row["rate"] in "pq", "init": i} for i, row in enumerate(rows)]
    found = by_source(Layout(columns(rows, "a", "rate"), columns(rows, "init"), 24).split(values))
    assert {name: row.df for name, row in found.items()} == {"a": 1, "rate": 2, "residual": 20}
    assert found["a"].share > 0.5
    assert found["a"].p == 0.001
    assert found["rate"].p > 0.02


def test_the_interval_of_one_factor_inverts_the_noncentral_f():
    rows, values = planted(
        {"a": "xyz"}, inits=10, shift=lambda r: 0.8 * "xyz".index(r["a"]), seed=5
    )
    row = Layout(columns(rows, "a"), columns(rows, "init"), 30).split(values)[0]
    groups = values.reshape(3, 10)
    noise = ((groups - groups.mean(1)[:, None]) ** 2).sum() / 27
    f = 10 * ((groups.mean(1) - values.mean()) ** 2).sum() / 2 / noise
    ends = [special.ncfdtrinc(2, 27, p, f) / 30 for p in (0.975, 0.025)]
    wanted = [end / (1 + end) for end in ends]
    assert (row.low, row.high) == (
        pytest.approx(wanted[0], abs=0.03),
        pytest.approx(wanted[1], abs=0.03),
    )
    assert row.low < row.share < row.high


def test_few_seeds_have_shares_without_intervals():
    rows, values = planted({"a": "xy"}, inits=4)
    layout = Layout(columns(rows, "a"), columns(rows, "init"), 8)
    assert not np.isnan(layout.split(values)[0].low)
    assert np.isnan(layout.split(distances_of(values[:, None]))[0].low)
    rows, values = planted({"a": "xy"}, inits=2)
    few = Layout(columns(rows, "a"), columns(rows, "init"), 4).split(values)[0]
    assert np.isnan([few.low, few.high]).all()
    assert few.least_p == pytest.approx(1 / 3)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_little_is_split_without_a_crash(n):
    for factors in ({"a": range(n)}, {"a": [0] * n}):
        rows = permanova(distances_of(np.arange(float(n))[:, None]), factors)
        assert rows[-1].source == "residual"
        assert rows[-1].df == n - 1


def test_members_that_do_not_differ_have_no_shares():
    row, rest = permanova(np.zeros((6, 6)), {"a": [0, 0, 0, 1, 1, 1]})
    assert np.isnan([row.share, row.low, rest.share]).all()
    assert row.p == 1
    perfect = permanova(distances_of(np.repeat([[0.0], [1.0]], 8, 0)), {"a": [0] * 8 + [1] * 8})
    assert (perfect[0].share, perfect[0].low, perfect[0].high) == (1, pytest.approx(1, abs=1e-3), 1)


def test_units_that_are_not_alike_exchange_labels_where_too_few_are_alike():
    rows, values = planted({"a": "xy"}, inits=5, datas=6, init=0.3, noise=0.3, seed=7)
    values += 2.0 * np.array([row["a"] == "x" for row in rows])
    # Each initialisation lacks another order of data, so that no two are alike.
    kept = [i for i, r in enumerate(rows) if (r["init"][1], r["init"][0]) != (r["data"], "x")]
    kept = [
        i for i in kept if rows[i]["init"][0] == "x" or rows[i]["init"][1] + 1 != rows[i]["data"]
    ]
    rows, values = [rows[i] for i in kept], values[kept]
    layout = Layout(columns(rows, "a"), columns(rows, "init", "data"), len(rows))
    row = layout.split(values)[0]
    assert (row.p, row.least_p) == (2 / 252, 2 / 252)
    apart = layout.split(distances_of(values[:, None]))[0]
    assert apart.p == row.p


def test_an_initialisation_with_one_run_per_optimizer_is_exchanged_among_runs():
    rows, values = planted({"a": "x", "o": "uv"}, inits=6, init=2.0, noise=0.2)
    found = by_source(Layout(columns(rows, "o"), columns(rows, "init"), 12).split(values))
    assert found["init"].share > 0.8
    assert found["init"].p < 0.01


def test_a_seed_that_all_share_pairs_members_of_two_choices():
    rows, _ = planted({"a": "xy"}, inits=6)
    rows = [row | {"data": row["init"][1]} for row in rows]
    values = np.array([10.0 * r["data"] + (r["a"] == "x") for r in rows]) + 0.01 * np.arange(12)
    found = by_source(Layout(columns(rows, "a"), columns(rows, "init", "data"), 12).split(values))
    assert found["a"].p == found["a"].least_p == 2 / 2**6
    assert found["data"].share > 0.9
    assert found["residual"].note == "holds init, a:data"


def test_members_missing_of_a_crossed_seed_do_not_take_the_interval_away():
    rows, values = planted({"a": "xyz"}, datas=8, shift=lambda r: 2.0 * (r["a"] == "x"))
    rows, values = rows[1:], values[1:]
    far = distances_of(values[:, None])
    row = Layout(columns(rows, "a"), columns(rows, "data"), 23).split(far)[0]
    assert 0 < row.low < row.share < row.high < 1


@pytest.mark.parametrize("seed", range(3))
def test_an_interval_of_numbers_is_that_of_their_distances(seed):
    rows, values = planted({"a": "xy"}, inits=12, shift=lambda r: 1.5 * (r["a"] == "x"), seed=seed)
    layout = Layout(columns(rows, "a"), columns(rows, "init"), 24)
    one, other = layout.split(values)[0], layout.split(distances_of(values[:, None]))[0]
    assert other.share == pytest.approx(one.share)
    assert (other.low, other.high) == (
        pytest.approx(one.low, abs=0.02),
        pytest.approx(one.high, abs=0.02),
    )
