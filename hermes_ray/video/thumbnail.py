"""Small pictures of frames, for people."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from hermes_ray.video.codec import encode_jpeg

_QUALITY = 75


def thumbnail_maker(max_side_px: int) -> Callable[[NDArray[np.uint8]], bytes]:
    """What makes JPEG thumbnails whose longer side has at most so many pixels; a smaller picture keeps its size."""

    def thumbnail(image: NDArray[np.uint8]) -> bytes:
        return encode_jpeg(image, _QUALITY, max_side_px)

    return thumbnail
