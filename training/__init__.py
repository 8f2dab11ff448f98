"""Trains `hermes-tiny` on the simulated camera world: ``python -m training.run --help``, and docs/hermes-tiny.md."""
