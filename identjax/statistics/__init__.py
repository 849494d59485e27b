"""Intervals, attribution and resampling: arrays in, arrays out."""

from identjax.statistics.clusters import find_clusters
from identjax.statistics.identifiability import Index, Panel, measure_index
from identjax.statistics.intervals import (
    Contrast,
    Interval,
    adjust_holm,
    bca_interval,
    contrast_paired,
    contrast_unpaired,
    pair_interval,
    seed_interval,
    wilson_interval,
)
from identjax.statistics.rashomon import (
    measure_ambiguity,
    measure_capacity,
    measure_discrepancy,
    measure_underspecification,
)
from identjax.statistics.variance import decompose_variance

__all__ = [
    "Contrast",
    "Index",
    "Interval",
    "Panel",
    "adjust_holm",
    "bca_interval",
    "contrast_paired",
    "contrast_unpaired",
    "decompose_variance",
    "find_clusters",
    "measure_ambiguity",
    "measure_capacity",
    "measure_discrepancy",
    "measure_index",
    "measure_underspecification",
    "pair_interval",
    "seed_interval",
    "wilson_interval",
]
