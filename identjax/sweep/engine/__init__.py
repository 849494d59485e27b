"""Slots, and the host that fills, checks and records them."""
