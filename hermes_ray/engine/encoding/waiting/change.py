"""Which frames show something new: small pictures of them, held against the newest frame that was encoded.

What differs is judged region by region, so that a small thing is found however little it changes the whole picture.
What is no news is taken out first: light that changes slowly, by a factor for every row and colour; noise, estimated
from what most regions differ by (median absolute deviation, Rousseeuw and Croux 1993); a camera that trembles, by what
a fraction of a region's shift would change where it lies; one that is shaken, by laying the pictures over each other.
"""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from hermes_ray.engine.encoding.waiting.shaking import in_most_parts, shaken_apart
from hermes_ray.engine.residency.reference import Reference, SmallPicture

GRID = 36
"""Regions per side: about as many as the patches of the smallest vision towers, so none sees what is much smaller."""
_SCALE = 64
"""Means of regions are kept in 64ths of a level, as integers: the same on every machine."""
_OF_16_BITS = 257
"""A level of 255, of 65535."""
_DARK = 8.0
"""Levels that are added before light is judged as a factor, so that noise in the dark is no change of it."""
_MOST_LIGHT = 1.25
"""A factor beyond this, or its inverse, is news: somebody switched a lamp."""
_SIGMAS = 6.0
_LEAST_LEVELS = np.array((3.0, 4.5, 4.5))
"""Compression moves the mean of a region by up to so much, of 255: luma, and the two chromas, which it rounds more."""
_TREMBLE = 0.15
"""Of a region's side; about 3 pixels of 640."""
_TREMBLE_SHAKEN = 0.3
"""The same, of pictures that were laid over each other: to an eighth of a region, and linear between regions."""
_LEAST_SHAKEN = 0.1
"""A shaken camera changes at least so much of the picture; what is less is a thing, and nothing to search for."""
_MOST_PIXEL_NOISE = 16.0
"""Standard deviation of one pixel, of 255. If most regions differ by more than this explains, the picture moves."""
_MAD_TO_SIGMA = 1.4826

_Levels = NDArray[np.float64]


class ChangeDetector:
    """Tells the frames that are worth encoding. It keeps nothing: what it says follows from its arguments.

    Args:
        max_gap_s: a frame that was captured so long after the reference is encoded whatever it shows, seconds.
    """

    def __init__(self, max_gap_s: float) -> None:
        self._max_gap_ms = round(max_gap_s * 1000)

    def is_new(self, reference: Reference | None, picture: SmallPicture, ts_ms: int) -> bool:
        """Whether a frame is to be encoded.

        Args:
            reference: the newest frame that was, or will be before this one; ``None`` if there is none.
            picture: of the frame.
            ts_ms: its capture time, ms since epoch. One before the reference's is of a clock that was set back.
        """
        if reference is None or not 0 <= ts_ms - reference.ts_ms < self._max_gap_ms:
            return True
        return differs(reference.cells, picture)


def small_picture(image: NDArray[np.uint8], rows: int = GRID, columns: int = GRID) -> SmallPicture:
    """Average a picture over its regions; under half a millisecond for 640 x 360 pixels.

    Args:
        image: ``[height, width, 3]`` uint8 RGB, any size.
        rows: regions from top to bottom; fewer if the picture has fewer pixels.
        columns: regions from left to right, likewise.
    """
    height, width = image.shape[:2]
    rows, columns = min(rows, height), min(columns, width)
    tops, lefts = np.arange(rows + 1) * height // rows, np.arange(columns + 1) * width // columns
    # Much faster than ``add.reduceat`` over the rows, and exact: a region has at most 257 of them in 16 bits.
    narrow = np.uint16 if height <= 257 * rows else np.uint32
    strips = [image[top:bottom].sum(axis=0, dtype=narrow) for top, bottom in pairwise(tops)]
    sums = np.add.reduceat(np.stack(strips), lefts[:-1], axis=1, dtype=np.int64)
    pixels = np.diff(tops)[:, None, None] * np.diff(lefts)[None, :, None]
    return SmallPicture(((sums * _SCALE + pixels // 2) // pixels).astype(np.uint16), height * width // (rows * columns))


def small_picture_of(regions: NDArray[np.uint16], pixels: int) -> SmallPicture:
    """What others have averaged over regions already.

    Both frames of a comparison must have been averaged in the same way, which :func:`small_picture` is not.

    Args:
        regions: ``[rows, columns, 3]`` RGB, at most :data:`GRID` a side, 0 to 65535.
        pixels: of the frame.
    """
    rows, columns, _ = regions.shape
    cells = (regions.astype(np.uint32) * _SCALE + _OF_16_BITS // 2) // _OF_16_BITS
    return SmallPicture(cells.astype(np.uint16), max(1, pixels // (rows * columns)))


def differs(reference: NDArray[np.uint16], picture: SmallPicture) -> bool:
    """Whether a picture shows something that the reference does not, or no longer shows something that it does."""
    return bool(news(reference, picture).any())


def news(reference: NDArray[np.uint16], picture: SmallPicture) -> NDArray[np.bool_]:
    """Where a picture shows something else than the reference: ``[rows, columns]`` of its regions.

    Of a shaken picture the outermost regions are as those beside them: what they show has left the other picture.
    """
    rows, columns, _ = picture.cells.shape
    if reference.shape != picture.cells.shape or min(rows, columns) < 2:
        return np.ones((rows, columns), dtype=np.bool_)
    before, now = reference / _SCALE, picture.cells / _SCALE
    changed = _changed(before, now, picture.pixels, _TREMBLE)
    if changed.mean() < _LEAST_SHAKEN or not in_most_parts(changed):
        return _of_any(changed)
    aligned = shaken_apart(before, now)
    if aligned is None:
        return _of_any(changed)
    inner = _of_any(_changed(*aligned, picture.pixels, _TREMBLE_SHAKEN))
    border = (rows - inner.shape[0]) // 2
    return np.pad(inner, border, mode="edge")


def in_the_light_of(reference: NDArray[np.uint16], cells: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """The regions of a picture as they would be in the light of another one, so that parts of both fit together.

    Args:
        reference: ``[rows, columns, 3]``, 64ths of a level.
        cells: of the same shape.
    """
    before, now = reference / _SCALE, cells / _SCALE
    levels = (now + _DARK) / _light(before, now) - _DARK
    return np.clip(levels * _SCALE + 0.5, 0, 255 * _SCALE).astype(np.uint16)


def _light(before: _Levels, now: _Levels) -> _Levels:
    """By which factor every row and colour is brighter, ``[rows, 1, 3]``."""
    return _median((now + _DARK) / (before + _DARK), axis=1)


def _changed(before: _Levels, now: _Levels, pixels: int, tremble: float) -> NDArray[np.bool_]:
    """Which means of two by two regions are news, ``[rows - 1, columns - 1]``; all where light or noise say so."""
    everywhere = np.ones((before.shape[0] - 1, before.shape[1] - 1), dtype=np.bool_)
    light = _light(before, now)
    if light.max() > _MOST_LIGHT or light.min() < 1 / _MOST_LIGHT:
        return everywhere
    expected = np.minimum((before + _DARK) * light - _DARK, 255.0)
    expected, difference = _luma_chroma(_of_four(expected)), np.abs(_luma_chroma(_of_four(now - expected)))
    sigma = _MAD_TO_SIGMA * _median(difference.reshape(1, -1, 3), axis=1)
    most = 0.5 + _MOST_PIXEL_NOISE * np.sqrt(2.0 / (4 * pixels))
    if (sigma > most).any():
        return everywhere
    beyond = difference - np.maximum(_SIGMAS * sigma, _LEAST_LEVELS)
    if not (beyond > 0).any():
        return ~everywhere
    return np.any(beyond > tremble * _contrast(expected), axis=2)


def _of_any(windows: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The regions of two by two, ``[rows, columns]``, of which there are one fewer each way."""
    wide = np.pad(windows, 1)
    down = wide[:-1] | wide[1:]
    return down[:, :-1] | down[:, 1:]


def _median(levels: _Levels, axis: int) -> _Levels:
    """Numpy's median over an axis that stays, in half its time: nothing here is no number."""
    half = levels.shape[axis] // 2
    places = (half,) if levels.shape[axis] % 2 else (half - 1, half)
    return np.partition(levels, places, axis).take(places, axis).mean(axis=axis, keepdims=True)


def _of_four(cells: _Levels) -> _Levels:
    """Means of every two by two regions, which overlap: half the noise, and a thing between two regions is whole."""
    pairs = cells[:-1] + cells[1:]
    return (pairs[:, :-1] + pairs[:, 1:]) / 4


def _luma_chroma(levels: _Levels) -> _Levels:
    """Y, Cb and Cr of red, green and blue (ITU-R BT.601), as codecs see them; written out, so that no BLAS rounds."""
    red, green, blue = levels[..., 0], levels[..., 1], levels[..., 2]
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    return np.stack((luma, 0.564 * (blue - luma), 0.713 * (red - luma)), axis=-1)


def _contrast(levels: _Levels) -> _Levels:
    """How much each place's surroundings of three by three differ among themselves."""
    wide = np.pad(levels, ((1, 1), (1, 1), (0, 0)), mode="edge")
    return _of_three(wide, np.maximum) - _of_three(wide, np.minimum)


def _of_three(levels: _Levels, better: np.ufunc) -> _Levels:
    down = better(better(levels[:-2], levels[1:-1]), levels[2:])
    return better(better(down[:, :-2], down[:, 1:-1]), down[:, 2:])
