"""A look at a decoded picture that costs a tenth of converting it."""

from collections.abc import Callable

import av
import numpy as np
from av.video.reformatter import Interpolation
from numpy.typing import NDArray

from hermes_ray.video.codec.encode import encode_jpeg
from hermes_ray.video.codec.orientation import Orientation, upright
from hermes_ray.video.codec.resize import SHRINKING, fit, to_rgb

_THUMBNAIL_QUALITY = 75


class Glance:
    """One decoded picture that may not have to be converted. Only for as long as the call that it is handed to.

    Args:
        picture: as the decoder gives it.
        size: width and height of the frame that it would become, before it is turned upright, pixels.
        orientation: how to turn it.
    """

    def __init__(self, picture: av.VideoFrame, size: tuple[int, int], orientation: Orientation) -> None:
        self._picture = picture
        self._size = size
        self._orientation = orientation

    @property
    def pixels(self) -> int:
        """Of the frame."""
        return self._size[0] * self._size[1]

    def regions(self, most: int) -> NDArray[np.uint16]:
        """Mean colours of its regions, at most so many a side: ``[rows, columns, 3]``, 0 to 65535, upright.

        Scaled by libswscale in 16 bits, with the flags that make it the same on every processor.
        """
        columns, rows = (min(most, side) for side in self._size)
        flags = SHRINKING | Interpolation.FULL_CHR_H_INT | Interpolation.BITEXACT
        small = self._picture.reformat(width=columns, height=rows, format="rgb48le", interpolation=flags, threads=1)
        return upright(np.asarray(small.to_ndarray(), dtype=np.uint16), self._orientation)

    def thumbnail(self, max_side_px: int) -> bytes:
        """A JPEG of it, whose longer side has at most so many pixels."""
        small = to_rgb(self._picture, fit(*self._size, max_side_px))
        return encode_jpeg(upright(small, self._orientation), _THUMBNAIL_QUALITY)


Look = Callable[[Glance, int], bool]
"""Told of a picture and its capture time, ms since epoch; says whether it is to be converted."""
