"""Encoding frames as CUDA graphs: vision tower and decoder."""
