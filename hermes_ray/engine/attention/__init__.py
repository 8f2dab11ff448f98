"""Attention over a cache that is ours, and how its keys are read."""
