"""Random models of `hermes-tiny`'s architecture that cost less to run, for tests that do not ask what they say."""

from pathlib import Path

import torch

from hermes_ray.models import tiny
from hermes_ray.models.tiny.architecture import build_config, build_model


def save(directory: Path, seed: int = 0, layers: int | None = None) -> Path:
    """Write a complete model directory with random float32 weights.

    Args:
        directory: created if needed.
        seed: of the weights.
        layers: of the decoder; by default as many as `hermes-tiny` has, the fewest that give each memory tier one.
    """
    config = build_config()
    config.vision_config.hidden_size, config.vision_config.intermediate_size = 32, 64
    config.text_config.head_dim = config.text_config.hidden_size // config.text_config.num_attention_heads
    config.text_config.hidden_size, config.text_config.intermediate_size = 64, 96
    for part in (config.vision_config, config.text_config):
        part.initializer_range = 0.03  # so that a layer adds about as much as a wide one
    if layers is not None:
        config.text_config.num_hidden_layers = layers
        config.text_config.layer_types = config.text_config.layer_types[:layers]
    return tiny.save(build_model(seed, config), directory, dtype=torch.float32)
