"""The decoded frame: what every source and decoder yields."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the Coordinator and the event sink hear of frames, and never have one
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture and the moment it was taken.

    Attributes:
        image: ``[height, width, 3]``, uint8, RGB.
        ts_ms: capture time, milliseconds since the Unix epoch.
    """

    image: "NDArray[np.uint8]"
    ts_ms: int

    @property
    def height(self) -> int:
        """Height in pixels."""
        return int(self.image.shape[0])

    @property
    def width(self) -> int:
        """Width in pixels."""
        return int(self.image.shape[1])
