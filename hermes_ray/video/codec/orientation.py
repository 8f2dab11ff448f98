"""Which way up a stored picture is to be shown: turned by quarters, and perhaps mirrored."""

from enum import IntEnum
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

_Level = TypeVar("_Level", np.uint8, np.uint16)


class Orientation(IntEnum):
    """The eight ways, numbered as Exif does (Exif 2.32, tag 0112): where row 0 and column 0 of the pixels belong."""

    UPRIGHT = 1
    """Row 0 at the top, column 0 on the left."""
    MIRRORED = 2
    """Top, right."""
    UPSIDE_DOWN = 3
    """Bottom, right."""
    MIRRORED_UPSIDE_DOWN = 4
    """Bottom, left."""
    TRANSPOSED = 5
    """Left, top."""
    RIGHT_IS_UP = 6
    """Right, top: shown turned clockwise by a quarter."""
    TRANSVERSED = 7
    """Right, bottom."""
    LEFT_IS_UP = 8
    """Left, bottom: shown turned counter-clockwise by a quarter."""


_UPRIGHT_AGAIN = {
    # Axes swapped, then rows reversed, then columns reversed.
    Orientation.UPRIGHT: (False, False, False),
    Orientation.MIRRORED: (False, False, True),
    Orientation.UPSIDE_DOWN: (False, True, True),
    Orientation.MIRRORED_UPSIDE_DOWN: (False, True, False),
    Orientation.TRANSPOSED: (True, False, False),
    Orientation.RIGHT_IS_UP: (True, False, True),
    Orientation.TRANSVERSED: (True, True, True),
    Orientation.LEFT_IS_UP: (True, True, False),
}
_BY_STEPS = {steps: orientation for orientation, steps in _UPRIGHT_AGAIN.items()}


def upright(image: NDArray[_Level], orientation: Orientation) -> NDArray[_Level]:
    """Return a picture ``[H, W, 3]`` as it is to be shown, ``[W, H, 3]`` if it lies on its side."""
    swapped, rows, columns = _UPRIGHT_AGAIN[orientation]
    if swapped:
        image = image.swapaxes(0, 1)
    return np.ascontiguousarray(image[:: -1 if rows else 1, :: -1 if columns else 1])


def from_matrix(a: float, b: float, c: float, d: float) -> Orientation:
    """Return the nearest orientation to a transformation of (x right, y down) to (a x + c y, b x + d y).

    These are the names of ISO/IEC 14496-12, clause 6.2.2. A matrix of zeros says nothing.
    """
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return _BY_STEPS[False, d < 0, a < 0]
    return _BY_STEPS[True, b < 0, c < 0]


def turned(quarters: int, *, mirrored: bool = False, upside_down: bool = False) -> Orientation:
    """Return the orientation of pixels to be mirrored sideways or upside down, then turned counter-clockwise."""
    a, b, c, d = {0: (1, 0, 0, 1), 1: (0, -1, 1, 0), 2: (-1, 0, 0, -1), 3: (0, 1, -1, 0)}[quarters % 4]
    across, down = -1 if mirrored else 1, -1 if upside_down else 1
    return from_matrix(across * a, across * b, down * c, down * d)
