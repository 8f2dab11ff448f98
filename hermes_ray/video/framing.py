"""What of a camera's picture is shown: a region of it, without what must stay private."""

import math
from dataclasses import dataclass

import numpy as np

from hermes_ray.video.frame import Frame


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle in shares of the picture, so that it stays in place when the camera changes its resolution.

    Attributes:
        left: 0 is the left edge, 1 the right one.
        top: 0 is the upper edge, 1 the lower one.
        right: likewise, greater than ``left``.
        bottom: likewise, greater than ``top``.

    Raises:
        ValueError: it is empty, or not within the picture.
    """

    left: float
    top: float
    right: float
    bottom: float

    def __post_init__(self) -> None:
        if not (0 <= self.left < self.right <= 1 and 0 <= self.top < self.bottom <= 1):
            raise ValueError("need 0 <= left < right <= 1 and 0 <= top < bottom <= 1")

    def slices(self, height: int, width: int) -> tuple[slice, slice]:
        """Return the rows and columns of a picture that it touches, those that it touches in part included."""
        rows = slice(math.floor(self.top * height), math.ceil(self.bottom * height))
        columns = slice(math.floor(self.left * width), math.ceil(self.right * width))
        return rows, columns


@dataclass(frozen=True, slots=True)
class Framing:
    """What of every picture leaves the process.

    Attributes:
        crop: what is shown; everything if ``None``.
        masks: what is black, in shares of the whole picture, whatever is cropped.
    """

    crop: Region | None = None
    masks: tuple[Region, ...] = ()

    def apply(self, frame: Frame) -> Frame:
        """Return the frame as it may be seen; the frame itself if nothing is left out."""
        if self.crop is None and not self.masks:
            return frame
        image = frame.image.copy() if self.masks else frame.image  # a source may show the same picture again
        for mask in self.masks:
            image[mask.slices(frame.height, frame.width)] = 0
        if self.crop is not None:
            image = np.ascontiguousarray(image[self.crop.slices(frame.height, frame.width)])
        return Frame(image, frame.ts_ms)
