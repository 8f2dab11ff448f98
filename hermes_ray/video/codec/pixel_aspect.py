"""Pixels that are not square: how large a picture is when its shape is right."""

from fractions import Fraction

_MOST = 4
"""Wider or taller pixels than these are no camera's; a stream that claims them is shown as it is stored."""


def shown_size(width: int, height: int, pixel_aspect: Fraction | None) -> tuple[int, int]:
    """Return the (width, height) in square pixels of a stored picture's true shape. One measure grows, none shrinks.

    Args:
        width: stored, pixels.
        height: stored, pixels.
        pixel_aspect: width of a stored pixel over its height; ``None`` or 0 if unknown.
    """
    if not pixel_aspect or not Fraction(1, _MOST) <= pixel_aspect <= _MOST:
        return width, height
    if pixel_aspect > 1:
        return round(width * pixel_aspect), height
    return width, round(height / pixel_aspect)
