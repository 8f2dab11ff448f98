"""One adapter per model family, over the transformers library's own classes."""

from hermes_ray.models.adapter import FrameGroup, GuidanceTexts, ModelAdapter, VisualBlock
from hermes_ray.models.fingerprint import fingerprint
from hermes_ray.models.loading.loading import TINY, TINY_RANDOM, load
from hermes_ray.models.parts.chat import Turn

__all__ = [
    "TINY",
    "TINY_RANDOM",
    "FrameGroup",
    "GuidanceTexts",
    "ModelAdapter",
    "Turn",
    "VisualBlock",
    "fingerprint",
    "load",
]
