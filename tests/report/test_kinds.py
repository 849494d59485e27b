"""Clusters that were planted are found."""

import itertools

import numpy as np
import pyarrow as pa
import pytest

from identjax.report.blocks.kinds import cluster_members

PROMPTS = [f"p{n:02d}" for n in range(20)]


def completions(texts):
    """One member per entry, with its completion of every prompt."""
    rows = [
        {"member_id": member, "split": "ood", "prompt": prompt, "completion": text}
        | {"finished": text != "cut"}
        for member, said in texts.items()
        for prompt, text in zip(PROMPTS, said, strict=True)
    ]
    return pa.Table.from_pylist(rows)


def planted(sizes, noise, seed=0):
    rng = np.random.default_rng(seed)
    texts = {}
    for kind, size in enumerate(sizes):
        for k in range(size):
            said = [f"{kind}" if n % 2 else "same" for n in range(20)]
            for n in rng.choice(20, noise, replace=False):
                said[n] = f"noise{kind}{k}"
            texts[f"m{kind}{k}"] = said
    return texts


def clusters_of(texts):
    return cluster_members(list(texts), completions(texts)).clusters.cluster_M.tolist()


@pytest.mark.parametrize("sizes", [(5, 4), (3, 5, 4)])
@pytest.mark.parametrize("noise", [0, 2])
def test_planted_clusters_are_found_by_size(sizes, noise):
    texts = planted(sizes, noise)
    found = cluster_members(list(texts), completions(texts))
    kinds = [member[1] for member in found.members]
    groups = {
        (kind, cluster) for kind, cluster in zip(kinds, found.clusters.cluster_M, strict=True)
    }
    assert len(groups) == len(sizes)
    counts = np.bincount(found.clusters.cluster_M)
    assert counts.tolist() == sorted(sizes, reverse=True)
    assert found.clusters.silhouette > 0.25
    # Each typical member stands for its own cluster, in the clusters' order.
    place = dict(zip(found.members, found.clusters.cluster_M, strict=True))
    assert [place[member] for member in found.typical] == list(range(len(sizes)))


def test_examples_are_prompts_on_which_they_differ():
    texts = planted((4, 4), 0)
    found = cluster_members(list(texts), completions(texts), examples=3)
    assert len(found.examples) == 3
    for example in found.examples:
        assert int(example["prompt"][1:]) % 2 == 1
        assert set(example["answers"]) == {("0", True), ("1", True)}


def test_the_order_puts_clusters_side_by_side():
    texts = planted((3, 4), 1)
    found = cluster_members(list(texts), completions(texts))
    ordered = [found.clusters.cluster_M[row] for row in found.clusters.order_M]
    assert sum(a != b for a, b in itertools.pairwise(ordered)) == 1


def test_members_that_agree_are_one_kind():
    texts = {f"m{k}": ["same"] * 20 for k in range(5)}
    found = cluster_members(list(texts), completions(texts))
    assert set(found.clusters.cluster_M) == {0}
    assert np.isnan(found.clusters.silhouette)
    assert len(found.typical) == 1


def test_unstructured_noise_is_not_cut_into_clusters():
    rng = np.random.default_rng(1)
    texts = {f"m{k}": [str(x) for x in rng.integers(0, 9, 20)] for k in range(10)}
    assert set(clusters_of(texts)) == {0}


def test_a_cut_off_completion_is_not_the_finished_one():
    texts = {f"m{k}": ["cut" if k < 3 else "end"] * 20 for k in range(6)}
    assert len(set(clusters_of(texts))) == 2


@pytest.mark.parametrize("count", [1, 2])
def test_too_few_to_cluster(count):
    texts = planted((count,), 0)
    assert clusters_of(texts) == [0] * count
