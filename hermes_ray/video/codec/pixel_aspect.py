"""Pixels that are not square: how large a picture is when its shape is right."""

from fractions import Fraction

_MOST = 4
"""Wider or taller pixels than these are no camera's; a stream that claims them is shown as it is stored."""


def shown_size(
    width: int, height: int, pixel_aspect: Fraction | None, max_pixels: int | None = None
) -> tuple[int, int]:
    """Return the (width, height) in square pixels of a stored picture's true shape.

    One measure grows, so that nothing is lost; if that made more than ``max_pixels``, the other shrinks instead.

    Args:
        width: stored, pixels.
        height: stored, pixels.
        pixel_aspect: width of a stored pixel over its height; ``None`` or 0 if unknown.
        max_pixels: the largest picture allowed; ``None`` for no bound.
    """
    if not pixel_aspect or not Fraction(1, _MOST) <= pixel_aspect <= _MOST:
        return width, height
    wider, taller = (round(width * pixel_aspect), height), (width, round(height / pixel_aspect))
    grown, shrunk = (wider, taller) if pixel_aspect > 1 else (taller, wider)
    if max_pixels is None or grown[0] * grown[1] <= max_pixels:
        return grown
    return max(1, shrunk[0]), max(1, shrunk[1])
