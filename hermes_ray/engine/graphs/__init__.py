"""Passes of fixed shapes whose launches are recorded once and repeated (CUDA graphs), and what they have in common."""
