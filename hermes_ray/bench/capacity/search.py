"""Which number of cameras to try next. Plain Python."""

from collections.abc import Mapping

_GROWTH = 1.5
_RESOLUTION = 0.08
"""Of the largest number that went well."""


def next_cameras(carried: Mapping[int, bool], first: int, most: int) -> int | None:
    """The next number of cameras to try: more and more until it is too many, then between the last two.

    Args:
        carried: whether the numbers tried so far went well.
        first: number to begin with.
        most: number that is never exceeded.

    Returns:
        ``None`` when it is known to within a twelfth.
    """
    well, badly = most_carried(carried), min((n for n, went_well in carried.items() if not went_well), default=None)
    if badly is None:
        return None if well == most else min(most, max(first, well + 1, round(well * _GROWTH)))
    if well == 0 and badly > 1:
        return badly // 2
    middle = (well + badly) // 2
    return None if middle in (well, badly) or badly - well <= _RESOLUTION * well else middle


def most_carried(carried: Mapping[int, bool]) -> int:
    """The largest number that went well, below any that did not; 0 if none did."""
    badly = min((n for n, went_well in carried.items() if not went_well), default=None)
    return max((n for n, went_well in carried.items() if went_well and (badly is None or n < badly)), default=0)
