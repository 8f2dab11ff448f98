"""Encoded pictures and segments to frames, refusing what is damaged, mislabelled or too large."""

from collections.abc import Callable, Iterator

from hermes_ray.errors import UndecodableMedia, UnsupportedMedia
from hermes_ray.video.codec.limits import DecodeLimits
from hermes_ray.video.codec.pictures import Segment, decode_segment
from hermes_ray.video.codec.segments import open_h264, open_jpeg, open_mp4, open_png
from hermes_ray.video.frame import Frame

DEFAULT_FPS = 25.0
"""Frame rate of a raw H.264 segment that does not carry one."""

_OPENERS: dict[str, Callable[[bytes, DecodeLimits, float], Segment]] = {
    "image/jpeg": lambda payload, limits, _: open_jpeg(payload, limits),
    "image/png": lambda payload, limits, _: open_png(payload, limits),
    "video/mp4": lambda payload, limits, _: open_mp4(payload, limits),
    "video/h264": open_h264,
}

CONTENT_TYPES = tuple(_OPENERS)
"""The content types that :func:`decode` reads."""


def decode(
    payload: bytes,
    content_type: str,
    ts_ms: int,
    limits: DecodeLimits,
    *,
    max_side_px: int | None = None,
    select: Callable[[int], bool] | None = None,
    default_fps: float = DEFAULT_FPS,
) -> Iterator[Frame]:
    """Decode one payload, one frame at a time.

    The content type alone names the format; nothing is guessed from the bytes. The call itself refuses everything that
    can be judged without decoding pixels; damage inside the picture data is raised while iterating, possibly behind
    good frames, so a caller that wants all or nothing collects before it uses. libav's error concealment is off: a
    damaged picture is an error, never a grey one. At most a few pictures are in memory at a time.

    Args:
        payload: the encoded bytes. A segment must start at a keyframe.
        content_type: one of :data:`CONTENT_TYPES`; parameters behind ``;`` are ignored.
        ts_ms: capture time of the first frame, ms since the Unix epoch. Later frames of a segment add their
            presentation time relative to the first: mp4 from its own timestamps, raw H.264 from the frame rate in its
            sequence parameters (VUI timing, ITU-T H.264 annex E).
        limits: bounds on size, resolution, frames and duration.
        max_side_px: shrink frames so that their longer side is at most this, within the colour conversion.
        select: called with each frame's capture time in presentation order; frames for which it is false are
            decoded, as later ones need them, but not converted or yielded.
        default_fps: frame rate of a raw H.264 segment without VUI timing.

    Yields:
        Frames in presentation order.

    Raises:
        UnsupportedMedia: another content type, or a codec inside mp4 that is not read here.
        UndecodableMedia: damaged, truncated or mislabelled bytes, or a segment that does not start at a keyframe.
        MediaTooLarge: beyond one of ``limits``; the message names the setting.
    """
    opener = _OPENERS.get(content_type.partition(";")[0].strip().lower())
    if opener is None:
        raise UnsupportedMedia(f"content type {content_type!r} is not supported; use one of {', '.join(CONTENT_TYPES)}")
    limits.check_encoded(len(payload))
    if not payload:
        raise UndecodableMedia("the payload is empty")
    segment = opener(payload, limits, default_fps)
    return decode_segment(segment, ts_ms, limits, max_side_px, select)
