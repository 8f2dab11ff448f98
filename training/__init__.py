"""Trains `hermes-tiny` on simulated cameras: ``python -m training.run --help``, and docs/research/hermes-tiny.md."""
