"""Commands: absl flags in, one call out."""
