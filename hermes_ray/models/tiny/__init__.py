"""`hermes-tiny`: the bundled model, a small LLaVA-OneVision that understands one simulated camera world only."""

from hermes_ray.models.tiny.directory import save, save_random, weights_directory
from hermes_ray.models.tiny.examples import EXAMPLES

__all__ = ["EXAMPLES", "save", "save_random", "weights_directory"]
