"""From encoded packets to RGB frames: the one place where pixels are decoded."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext

from hermes_ray.errors import UndecodableMedia
from hermes_ray.video.codec.limits import DecodeLimits
from hermes_ray.video.codec.resize import fit, to_rgb
from hermes_ray.video.frame import Frame


@dataclass(frozen=True, slots=True)
class Segment:
    """Packets that passed every check that needs no pixels.

    Attributes:
        name: what it is called in errors, such as ``JPEG``.
        context: a decoder set up by :func:`harden`, not yet open.
        packets: in decoding order, one picture each.
        frame_duration: seconds between pictures, for streams without timestamps; ``None`` uses the packets'.
        owner: what must stay alive while decoding.
    """

    name: str
    context: VideoCodecContext
    packets: "Sequence[av.Packet[Any]]"
    frame_duration: Fraction | None = None
    owner: object = None

    @property
    def shown(self) -> "list[av.Packet[Any]]":
        """The packets whose pictures are presented; an edit list may keep others for decoding only."""
        return [packet for packet in self.packets if not packet.is_discard]


def harden(context: VideoCodecContext, limits: DecodeLimits) -> None:
    """Set a decoder to report damage instead of concealing it, and to refuse absurd sizes before allocating."""
    # One thread: the order of errors is deterministic, and many streams share the machine's cores already.
    context.thread_count = 1
    context.options = {**context.options, **hardened_options(limits)}


def hardened_options(limits: DecodeLimits) -> dict[str, str]:
    """Return libav's options for :func:`harden`."""
    # libav counts coded pixels, which are padded to whole blocks; its limit is a backstop, ours is exact.
    return {"err_detect": "explode", "max_pixels": str(2 * limits.max_pixels + 65536)}


def decode_segment(
    segment: Segment,
    ts_ms: int,
    limits: DecodeLimits,
    max_side_px: int | None,
    select: Callable[[int], bool] | None,
) -> Iterator[Frame]:
    """Yield a segment's frames in presentation order. See :func:`hermes_ray.video.codec.decode.decode`."""
    start = min((packet.pts for packet in segment.shown if packet.pts is not None), default=0)
    for index, picture in enumerate(_pictures(segment, limits)):
        limits.check_resolution(picture.width, picture.height)
        capture_ms = ts_ms + round(1000 * _offset(segment, picture, index, start))
        if select is None or select(capture_ms):
            yield to_frame(picture, capture_ms, max_side_px)


def _pictures(segment: Segment, limits: DecodeLimits) -> Iterator[av.VideoFrame]:
    context = segment.context
    decoded = 0
    for packet in (*segment.packets, None):
        try:
            pictures = context.decode(packet)
        except FFmpegError as error:
            # The decoder learns the true size from the bitstream, whatever the container said.
            limits.check_resolution(context.width, context.height)
            raise UndecodableMedia(
                f"{segment.name} is damaged or cut off at picture {decoded + 1}: {error.strerror}"
            ) from error
        for picture in pictures:
            decoded += 1
            if picture.is_corrupt:
                raise UndecodableMedia(f"{segment.name} is damaged or cut off at picture {decoded}")
            yield picture
    # PyAV drops an error that follows a good picture of the same packet; the count betrays it.
    if decoded != len(segment.shown):
        raise UndecodableMedia(f"{segment.name} is damaged: {len(segment.shown)} pictures, {decoded} decodable")


def _offset(segment: Segment, picture: av.VideoFrame, index: int, start: int) -> Fraction:
    """Return a picture's presentation time relative to the segment's first, seconds."""
    if segment.frame_duration is not None:
        return index * segment.frame_duration
    if picture.pts is None:
        raise UndecodableMedia(f"{segment.name} has a picture without a timestamp")
    return (picture.pts - start) * segment.packets[0].time_base


def to_frame(picture: av.VideoFrame, capture_ms: int, max_side_px: int | None) -> Frame:
    """Convert a decoded picture to RGB, shrunk to ``max_side_px`` and turned upright."""
    image = to_rgb(picture, fit(picture.width, picture.height, max_side_px))
    if picture.rotation:  # phones and ceiling cameras store how to turn the picture, counter-clockwise
        image = np.ascontiguousarray(np.rot90(image, round(picture.rotation / 90)))
    return Frame(image, capture_ms)
