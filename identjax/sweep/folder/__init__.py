"""A results folder: what stands in it, and how it is continued, joined and opened."""
