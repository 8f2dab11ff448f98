"""Frames, the PyAV codec, sampling, and sources of video."""
