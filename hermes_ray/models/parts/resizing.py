"""The size at which a vision tower that takes any shape gets a picture."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, floor, sqrt
from typing import Any

from hermes_ray.errors import UnsupportedMedia

_LARGEST_ASPECT = 200


@dataclass(frozen=True, slots=True)
class PixelLimits:
    """Bounds of a picture's size; within them it stays as near to its own size and shape as whole patches allow.

    This is the rule of the Qwen families' processors (Qwen2-VL, arXiv 2409.12191, section 2.1).

    Attributes:
        factor: both sides become multiples of it, pixels: what one token covers.
        min_pixels: smaller pictures are enlarged to at least this area.
        max_pixels: larger pictures are shrunk to at most this area, except that each side keeps at least ``factor``.
        enlarges_narrow: first enlarge a picture that is narrower than ``factor``, as Qwen3-VL's processor does.
    """

    factor: int
    min_pixels: float
    max_pixels: int
    enlarges_narrow: bool = False

    @property
    def max_tokens(self) -> int:
        """No picture becomes more than this many squares of ``factor`` pixels; long and narrow ones come closest."""
        shrunk, enlarged = self.max_pixels / self.factor**2, self.min_pixels / self.factor**2
        long, short = sqrt(enlarged * _LARGEST_ASPECT), sqrt(enlarged / _LARGEST_ASPECT)
        return floor(max(shrunk, sqrt(shrunk * _LARGEST_ASPECT), enlarged + long + short + 1))

    def fit(self, height: int, width: int) -> tuple[int, int]:
        """Height and width to resize a picture to, pixels.

        Raises:
            UnsupportedMedia: one side is more than 200 times the other.
        """
        if self.enlarges_narrow and min(height, width) < self.factor:
            scale = max(self.factor / height, self.factor / width)
            height, width = int(height * scale), int(width * scale)
        if max(height, width) > _LARGEST_ASPECT * min(height, width):
            raise UnsupportedMedia(
                f"picture of {width}x{height} pixels: one side is more than {_LARGEST_ASPECT} times the other"
            )
        area = round(height / self.factor) * round(width / self.factor) * self.factor**2
        if area > self.max_pixels:
            shrink = sqrt(height * width / self.max_pixels)
            return self._at_most(height / shrink), self._at_most(width / shrink)
        if area < self.min_pixels:
            enlarge = sqrt(self.min_pixels / (height * width))
            return self._at_least(height * enlarge), self._at_least(width * enlarge)
        return round(height / self.factor) * self.factor, round(width / self.factor) * self.factor

    def _at_most(self, side: float) -> int:
        return max(1, floor(side / self.factor)) * self.factor

    def _at_least(self, side: float) -> int:
        return ceil(side / self.factor) * self.factor


def area_bounds(preprocessing: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """Smallest and largest area in a Qwen preprocessing file, pixels; ``None`` where it says nothing.

    The newer ``size`` names them after edges, but they are areas; the older keys win, as they do in transformers.
    """
    size = preprocessing.get("size") or {}
    smallest = preprocessing.get("min_pixels") or size.get("shortest_edge")
    largest = preprocessing.get("max_pixels") or size.get("longest_edge")
    return smallest, largest
