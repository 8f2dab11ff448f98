"""`hermes-tiny`: the bundled model, a small LLaVA-OneVision that understands one simulated camera world only."""

from hermes_ray.models.tiny.directory import save, save_random, weights_directory

__all__ = ["save", "save_random", "weights_directory"]
