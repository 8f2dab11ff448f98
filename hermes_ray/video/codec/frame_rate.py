"""How fast a raw H.264 stream's pictures follow each other, which the stream itself may tell wrongly."""

from fractions import Fraction

_FASTEST_FPS = 240
_SLOWEST_USUAL_FPS = 5
_SLACK_S = 10


def believable(fps: Fraction, pictures: int, room_s: float) -> bool:
    """Whether a stream's own frame rate can be right.

    Cameras are known to write any number there. A picture was taken before its record was written; a slow rate must
    not say otherwise, or the stream's next records would seem to be older than this one.

    Args:
        fps: what the stream claims, pictures per second.
        pictures: in this segment.
        room_s: from the first picture's capture to the moment that the record was written, seconds.
    """
    if fps >= _SLOWEST_USUAL_FPS:
        return fps <= _FASTEST_FPS
    return pictures <= 1 or float((pictures - 1) / fps) <= max(0.0, room_s) + _SLACK_S
