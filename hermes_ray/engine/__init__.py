"""Batched forward passes over the slab, scheduling, sampling, and the ``StreamEngine`` front."""
