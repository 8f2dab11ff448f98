"""The frame that a stream's next ones are compared with."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the Coordinator and the event sink hear of frames, and never have one
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class SmallPicture:
    """A frame as the mean colours of its regions.

    Attributes:
        cells: ``[rows, columns, 3]`` uint16, 64ths of a level.
        pixels: of the frame in each region, about.
    """

    cells: "NDArray[np.uint16]"
    pixels: int


@dataclass(frozen=True, slots=True)
class ComparedFrame:
    """A frame that whoever decoded it has compared with the stream's newest one that showed something new.

    Attributes:
        small: how it was compared.
        image: ``[height, width, 3]`` uint8 RGB.
    """

    small: SmallPicture
    image: "NDArray[np.uint8]"


@dataclass(frozen=True, slots=True)
class UnchangedFrame:
    """One that was found to show nothing new, without its picture.

    Attributes:
        reference_ms: capture time of the frame that it was compared with, ms since epoch.
        thumbnail: of this one; ``None`` if it has none.
    """

    reference_ms: int
    thumbnail: bytes | None = None


@dataclass(frozen=True, slots=True)
class Reference:
    """The newest frame of a stream that was encoded.

    Attributes:
        cells: of its :class:`SmallPicture`.
        ts_ms: its capture time, ms since epoch.
    """

    cells: "NDArray[np.uint16]"
    ts_ms: int
