"""Encoded pictures and segments to frames, refusing what is damaged, mislabelled or too large."""

from collections.abc import Callable

from hermes_ray.errors import UndecodableMedia, UnsupportedMedia
from hermes_ray.video.codec.cpu_budget import CpuBudget
from hermes_ray.video.codec.glance import Look
from hermes_ray.video.codec.limits import DecodeLimits
from hermes_ray.video.codec.pictures import Decoding
from hermes_ray.video.codec.segment import Segment
from hermes_ray.video.codec.splitting import open_h264, open_jpeg, open_mp4, open_png

DEFAULT_FPS = 25.0
"""Frame rate of a raw H.264 segment that does not carry one."""

_Opener = Callable[[bytes, DecodeLimits, float, float], Segment]
_OPENERS: dict[str, _Opener] = {
    "image/jpeg": lambda payload, limits, *_: open_jpeg(payload, limits),
    "image/png": lambda payload, limits, *_: open_png(payload, limits),
    "video/mp4": lambda payload, limits, *_: open_mp4(payload, limits),
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
    look: Look | None = None,
    default_fps: float = DEFAULT_FPS,
    written_ms: int | None = None,
) -> Decoding:
    """Decode one payload, one frame at a time.

    The content type alone names the format; nothing is guessed from the bytes. The call itself refuses everything that
    can be judged without decoding pixels; damage inside the picture data is raised while iterating, possibly behind
    good frames, so a caller that wants all or nothing collects before it uses. A damaged picture is an error, never a
    grey or patched one. At most a few pictures are in memory at a time.

    A packet is not always a picture, and not every picture is shown: those that container or codec mark to be skipped,
    and those that lead to the first whole one where a segment is cut in an open group of pictures or at a recovery
    point (ITU-T H.264, D.2.8), are left out and counted.

    Frames are upright (Exif and track matrices, mirrored ones too; display orientation SEI) and have square pixels
    (sample aspect ratio).

    Args:
        payload: the encoded bytes. A segment must start at a keyframe or recovery point.
        content_type: one of :data:`CONTENT_TYPES`; parameters behind ``;`` are ignored.
        ts_ms: capture time of the first frame, ms since the Unix epoch. Later frames of a segment add their
            presentation time relative to the first: mp4 from its own timestamps, raw H.264 from the frame rate in its
            sequence parameters (VUI timing, ITU-T H.264 annex E).
        limits: bounds on size, resolution, frames, duration and CPU time.
        max_side_px: shrink frames so that their longer side is at most this, within the colour conversion.
        select: called with each frame's capture time in presentation order; frames for which it is false are
            decoded, as later ones need them, but not converted or yielded.
        look: called with each of the frames that are left, before it is converted; those for which it is false are not
            converted or yielded either.
        default_fps: frame rate of a raw H.264 segment without VUI timing, or with one that cannot be right.
        written_ms: when the record was written, by which all its frames had been captured; by default, at ``ts_ms``.

    Returns:
        An iterator over the frames in presentation order.

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
    budget = CpuBudget(limits.max_load)
    room_s = 0.0 if written_ms is None else (written_ms - ts_ms) / 1000
    with budget.spending():
        segment = opener(payload, limits, default_fps, room_s)
    budget.lasts(segment.seconds())
    return Decoding(segment, ts_ms, limits, budget, max_side_px, select, look)
