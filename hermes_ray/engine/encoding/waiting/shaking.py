"""Lays two small pictures over each other that a shaken camera took.

The displacement is searched for directly (the smallest mean absolute difference, first in whole regions, then in
halves and quarters). A thing that moves before a plain wall could be explained in the same way, so a displacement
counts only where most parts of the picture show it.
"""

from itertools import product

import numpy as np
from numpy.typing import NDArray

_FARTHEST = 2
"""Regions, each way: 35 pixels of 640, 20 of 360. A camera that moved farther turns."""
_PARTS = 4
"""Per side, that each have a say in whether the camera moved."""
_SHOW_IT = 0.5
"""Share of the parts that must."""
_MUCH_LESS = 0.6
"""A part shows it if what is left of its difference is so much, at most."""
_LUMA = (0.299, 0.587, 0.114)

_Levels = NDArray[np.float64]


def in_most_parts(changed: NDArray[np.bool_]) -> bool:
    """Whether so many parts of a picture have changed as show it if the camera was shaken: the search is dear.

    Args:
        changed: ``[rows, columns]``, where.
    """
    parts = (part.any() for rows in np.array_split(changed, _PARTS) for part in np.array_split(rows, _PARTS, 1))
    return sum(map(bool, parts)) >= _SHOW_IT * _PARTS**2


def shaken_apart(before: _Levels, now: _Levels) -> tuple[_Levels, _Levels] | None:
    """Two pictures as they would be if the camera had not been shaken between them, without what left the picture.

    Args:
        before: ``[rows, columns, 3]`` mean colours of regions, 0 to 255.
        now: of the same shape.

    Returns:
        Both without :data:`_FARTHEST` regions at every border, the first one displaced; ``None`` if it was not shaken.
    """
    if min(before.shape[:2]) < 2 * _FARTHEST + 2 * _PARTS:
        return None
    old, new = (_smooth(levels) for levels in (before, now))
    old *= np.median(new) / max(1.0, float(np.median(old)))  # another light would weigh more than what moved
    inner = _inner(new)
    best, least = (0.0, 0.0), np.abs(inner - _inner(old)).mean()
    for step, reach in ((1.0, _FARTHEST), (0.5, 1), (0.25, 1)):
        centre = best
        for down, right in product(range(-reach, reach + 1), repeat=2):
            shift = centre[0] + down * step, centre[1] + right * step
            if max(map(abs, shift)) <= _FARTHEST:
                left = np.abs(inner - _displaced(old, shift)).mean()
                best, least = (shift, left) if left < least else (best, least)
    if best == (0.0, 0.0) or not _most_parts_show_it(
        np.abs(inner - _inner(old)), np.abs(inner - _displaced(old, best))
    ):
        return None
    return _displaced(before, best), _inner(now)


def _smooth(levels: _Levels) -> _Levels:
    """Luma, over two by two regions: what lies between two of them is then nearly their mean."""
    luma = _LUMA[0] * levels[..., 0] + _LUMA[1] * levels[..., 1] + _LUMA[2] * levels[..., 2]
    pairs = luma[:-1] + luma[1:]
    return (pairs[:, :-1] + pairs[:, 1:]) / 4


def _inner(levels: _Levels) -> _Levels:
    return levels[_FARTHEST:-_FARTHEST, _FARTHEST:-_FARTHEST]


def _displaced(levels: _Levels, shift: tuple[float, float]) -> _Levels:
    """What was so many regions further down and right, between the borders; linear between regions."""
    for axis, by in enumerate(shift):
        whole = int(np.floor(by))
        share, length = by - whole, levels.shape[axis] - 2 * _FARTHEST
        first = _FARTHEST + whole
        ahead = levels.take(range(first, first + length), axis)
        levels = (
            ahead if share == 0 else ahead + share * (levels.take(range(first + 1, first + 1 + length), axis) - ahead)
        )
    return levels


def _most_parts_show_it(before: _Levels, after: _Levels) -> bool:
    parts = [
        (one.mean(), other.mean())
        for rows, others in zip(np.array_split(before, _PARTS), np.array_split(after, _PARTS), strict=True)
        for one, other in zip(np.array_split(rows, _PARTS, 1), np.array_split(others, _PARTS, 1), strict=True)
    ]
    return sum(left <= _MUCH_LESS * was for was, left in parts) >= _SHOW_IT * len(parts)
