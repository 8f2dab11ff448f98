"""The benchmarks behind ``hermes bench``: what they measure, and what they compare with, all in one run."""
