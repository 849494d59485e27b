"""Masses of short strings against sums over all strings."""

import numpy as np
import pytest

from identjax.evaluation.measures.dynamics import LONGER, REGIONS, list_strings, measure_masses
from tests.planted import LANG, off_law, plant

SPLIT = off_law(LANG, a=0.25, b=0.25, eos=0.5)


def test_masses_are_sums_over_strings():
    found = measure_masses(LANG, plant([SPLIT, SPLIT], [1.0, 0.0]))
    assert (found.longest, sum(found.strings.values())) == (8, 511)
    texts = [LANG.vocabulary.decode(row) for row in list_strings(LANG.vocabulary, 12)]
    wanted = dict.fromkeys(REGIONS, 0.0)
    for text in texts:
        first, second = text.count("a") == text.count("b"), "ba" not in text
        region = ("R1 and R2" if second else "R1 only") if first else "R2 only"
        region = region if first or second else "neither"
        wanted[region] += 0.25 ** len(text) * 0.5
    for region in REGIONS:
        assert found.masses[region][0] == pytest.approx(wanted[region], rel=1e-5)
    assert found.masses[LONGER][0] == pytest.approx(1 - sum(wanted.values()), rel=1e-4)


def test_the_truth_keeps_all_its_mass_where_both_rules_hold():
    found = measure_masses(LANG, plant([SPLIT]))
    lengths = (np.asarray(LANG.support()[0]) < LANG.vocabulary.eos).sum(1)
    short = np.exp(LANG.support()[1])[lengths <= 8].sum()
    assert found.masses["R1 and R2"][0] == pytest.approx(short, rel=1e-5)
    assert [found.masses[region][0] for region in REGIONS[1:]] == [0, 0, 0]
    assert found.masses[LONGER][0] == pytest.approx(1 - short, rel=1e-5)


@pytest.mark.parametrize(("most", "longest"), [(1, 0), (2, 0), (7, 2), (8, 2), (15, 3)])
def test_strings_are_listed_up_to_the_length_that_fits(most, longest):
    rows = list_strings(LANG.vocabulary, 12, most)
    assert rows.shape == (2 ** (longest + 1) - 1, longest + 2)
    assert len(np.unique(rows, axis=0)) == len(rows)
    assert len(list_strings(LANG.vocabulary, 1, most)) <= 3
