"""What a stream's memory shows of every place in the picture."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Scene:
    """A picture put together of the newest token that was encoded of each place.

    Attributes:
        cells: ``[rows, columns, 3]`` uint16 mean colours of regions, 64ths of a level.
        height, width: of the frames, pixels, as the model takes them.
        whole_ms: capture time of the newest frame of which all tokens were encoded, ms since the stream's first frame.
    """

    cells: NDArray[np.uint16]
    height: int
    width: int
    whole_ms: int
