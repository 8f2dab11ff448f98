"""Trains `hermes-tiny` on the simulated camera world: ``python -m training.run --help``, and docs/research/hermes-tiny.md."""
