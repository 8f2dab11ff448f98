"""What the cameras show: loops of pictures that are rendered and encoded beforehand."""

from collections.abc import Callable
from itertools import count

import numpy as np
from numpy.typing import NDArray

from hermes_ray.engine.encoding.waiting.change import differs, small_picture
from hermes_ray.errors import ConfigError
from hermes_ray.video.codec import encode_jpeg
from hermes_ray.video.world import Renderer, Traffic, World

CYCLE = 40
"""Frames of a loop; at two frames a second twice ``video.max_gap_s``."""
_BUSY = Traffic(mean_gap_s=2.0, quiet_share=0.0, overlap_share=0.3)
_STEP_S = 0.25
_LONGEST_S = 600.0


def film(seed: int, quiet: float, width_px: int, height_px: int) -> list[bytes]:
    """A loop of which so many frames show nothing that the one before them does not.

    A busy world, in which time stands still for as long as nothing is to be new, while the sensor's noise goes on.

    Args:
        seed: of the world.
        quiet: share of the frames that show nothing new; 0 to 1.
        width_px: of the pictures,
        height_px: of the pictures.

    Returns:
        :data:`CYCLE` JPEG pictures, the first of which is news behind the last one, unless nothing ever is.

    Raises:
        ConfigError: the pictures are too small to show so many different things.
    """
    changes = round(CYCLE * (1 - quiet))
    render = Renderer(World(seed, _BUSY), width_px, height_px).render
    scenes = [0.0]
    shown = first = small_picture(render(0.0))
    for step in count(1):
        if len(scenes) >= changes:
            break
        at_s = step * _STEP_S
        if at_s > _LONGEST_S:
            raise ConfigError(f"pictures of {width_px}x{height_px} pixels do not show {changes} different scenes")
        picture = small_picture(render(at_s))
        is_last = len(scenes) == changes - 1
        if differs(shown.cells, picture) and not (is_last and not differs(picture.cells, first)):
            scenes.append(at_s)
            shown = picture
    return [encode_jpeg(_scene(render, scenes, number)) for number in range(CYCLE)]


def _scene(render: Callable[[float], NDArray[np.uint8]], scenes: list[float], number: int) -> NDArray[np.uint8]:
    at_s = scenes[number * len(scenes) // CYCLE]
    return render(at_s + number / 1000)  # a millisecond moves nothing, and is other noise
