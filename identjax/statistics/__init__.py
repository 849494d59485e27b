"""Intervals, attribution and resampling: arrays in, arrays out."""
