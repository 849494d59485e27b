"""Intervals, attribution and resampling: arrays in, arrays out."""

from identjax.statistics.attribution import permanova

__all__ = ["permanova"]
