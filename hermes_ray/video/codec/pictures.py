"""From encoded packets to RGB frames: the one place where pixels are decoded."""

import struct
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import av
from av.error import FFmpegError, InvalidDataError
from av.video.codeccontext import VideoCodecContext

from hermes_ray.errors import UndecodableMedia
from hermes_ray.video.codec.cpu_budget import CpuBudget
from hermes_ray.video.codec.glance import Glance, Look
from hermes_ray.video.codec.limits import DecodeLimits
from hermes_ray.video.codec.missing import check_missing
from hermes_ray.video.codec.orientation import Orientation, from_matrix, upright
from hermes_ray.video.codec.packets.contents import PacketContents
from hermes_ray.video.codec.pixel_aspect import shown_size
from hermes_ray.video.codec.resize import fit, to_rgb
from hermes_ray.video.codec.segment import Segment
from hermes_ray.video.frame import Frame


def harden(context: VideoCodecContext, limits: DecodeLimits) -> None:
    """Set a decoder to report damage instead of concealing it, and to refuse absurd sizes before allocating."""
    # One thread: the order of errors is deterministic, and many streams share the machine's cores already.
    context.thread_count = 1
    context.options = {**context.options, **size_option(limits)}
    if context.name != "h264":
        # H.264's decoder marks every picture that it had to conceal, and its strict mode refuses much that is no
        # damage: SEI that is cut off, references to what came before a cut. The other decoders do not mark reliably.
        context.options = {**context.options, "err_detect": "explode"}


def size_option(limits: DecodeLimits) -> dict[str, str]:
    """Return libav's option for the largest picture."""
    # libav counts coded pixels, which are padded to whole blocks; its limit is a backstop, ours is exact.
    return {"max_pixels": str(2 * limits.max_pixels + 65536)}


class Decoding(Iterator[Frame]):
    """The frames of one payload, decoded one by one as they are asked for.

    Attributes:
        skipped: pictures that were left out, as container or codec demand: they lead to the first one that is whole,
            or are marked so. Complete at the end.
        refused_fps: the frame rate that a raw stream claims, if it cannot be right and was not used.
    """

    def __init__(
        self,
        segment: Segment,
        ts_ms: int,
        limits: DecodeLimits,
        budget: CpuBudget,
        max_side_px: int | None,
        select: Callable[[int], bool] | None,
        look: Look | None = None,
    ) -> None:
        self.skipped = 0
        self.refused_fps = segment.refused_fps
        self._segment = segment
        self._ts_ms = ts_ms
        self._limits = limits
        self._budget = budget
        self._max_side_px = max_side_px
        self._select = select
        self._look = look
        self._frames = self._decode()

    def __next__(self) -> Frame:
        """Return the next frame. Its errors are those of :func:`hermes_ray.video.codec.decode.decode`."""
        return next(self._frames)

    def _decode(self) -> Iterator[Frame]:
        clock = _Clock(self._segment)
        shown = 0
        for packet, picture in self._pictures():
            shown += 1
            capture_ms = self._ts_ms + round(1000 * clock.offset(packet))
            if self._select is None or self._select(capture_ms):
                with self._budget.spending():
                    wanted = self._look is None or self._look(self._glance(packet, picture), capture_ms)
                    frame = self._frame(packet, picture, capture_ms) if wanted else None
                if frame is not None:
                    yield frame
        self.skipped = max(0, self._segment.pictures - shown)

    def _frame(self, packet: int, picture: av.VideoFrame, capture_ms: int) -> Frame:
        return to_frame(
            picture,
            capture_ms,
            self._max_side_px,
            pixel_aspect=self._pixel_aspect,
            max_pixels=self._limits.max_pixels,
            orientation=self._orientation(packet),
        )

    def _glance(self, packet: int, picture: av.VideoFrame) -> Glance:
        shown = shown_size(picture.width, picture.height, self._pixel_aspect, self._limits.max_pixels)
        return Glance(picture, fit(*shown, self._max_side_px), self._orientation(packet))

    @property
    def _pixel_aspect(self) -> Fraction | None:
        aspect = self._segment.pixel_aspect
        return self._segment.context.sample_aspect_ratio if aspect is None else aspect

    def _orientation(self, packet: int) -> Orientation:
        return self._segment.orientation or self._segment.contents[packet].orientation or Orientation.UPRIGHT

    def _pictures(self) -> Iterator[tuple[int, av.VideoFrame]]:
        """Yield (which packet it began in, picture) in presentation order."""
        shown: list[int] = []
        for index in range(len(self._segment.packets) + 1):
            with self._budget.spending():
                pictures = self._step(index)
            for picture in pictures:
                if picture.is_corrupt:
                    raise UndecodableMedia(f"{self._segment.name} is damaged or cut off at picture {len(shown) + 1}")
                if picture.pts is None or not 0 <= picture.pts < len(self._segment.packets):
                    raise UndecodableMedia(f"{self._segment.name} has a picture that belongs to no packet")
                self._limits.check_resolution(picture.width, picture.height)
                if self._segment.packets[picture.pts].is_discard:
                    continue  # libav leaves it out only where the packet is still the container's own
                shown.append(picture.pts)
                yield picture.pts, picture
        check_missing(self._segment, shown)

    def _step(self, index: int) -> list[av.VideoFrame]:
        """Return the pictures that are ready after the packet of that index; behind the last, all that are left."""
        segment = self._segment
        at_end = index == len(segment.packets)
        contents = PacketContents() if at_end else segment.contents[index]
        if contents.data == b"":
            return []
        try:
            return segment.context.decode(None if at_end else _numbered(segment.packets[index], contents.data, index))
        except InvalidDataError as error:
            if not contents.coded:
                return []  # the decoder misses a picture where none is
            raise self._damaged(index, error) from error
        except FFmpegError as error:
            raise self._damaged(index, error) from error

    def _damaged(self, index: int, error: FFmpegError) -> UndecodableMedia:
        # The decoder learns the true size from the bitstream, whatever the container said.
        self._limits.check_resolution(self._segment.context.width, self._segment.context.height)
        number = sum(each.picture for each in self._segment.contents[: index + 1])
        return UndecodableMedia(f"{self._segment.name} is damaged or cut off at picture {number}: {error.strerror}")


class _Clock:
    """Presentation times relative to the segment's first, seconds; called for every picture in turn."""

    def __init__(self, segment: Segment) -> None:
        self._segment = segment
        self._start = segment.start()
        self._times = [packet.pts for packet in segment.packets]  # which decoding replaces
        self._next: int | None = None

    def offset(self, packet: int) -> Fraction:
        """Return the time of the picture that began in a packet."""
        duration = self._segment.frame_duration
        if duration is None:
            return ((self._times[packet] or 0) - self._start) * self._segment.packets[packet].time_base
        if self._next is None:
            # A stream cut at a recovery point shows nothing until its pictures are whole, which takes time.
            first = self._segment.first_picture
            self._next = sum(each.picture for each in self._segment.contents[first:packet])
        index, self._next = self._next, self._next + 1
        return index * duration


def _numbered(packet: "av.Packet[Any]", data: bytes | None, index: int) -> "av.Packet[Any]":
    """Return a packet whose number comes back with its picture, with other bytes if there are some."""
    if data is not None:
        changed: av.Packet[Any] = av.Packet(data)
        for side_data in packet.iter_sidedata():
            side_data.to_packet(changed)
        packet = changed
    packet.pts = packet.dts = index
    return packet


def to_frame(
    picture: av.VideoFrame,
    capture_ms: int,
    max_side_px: int | None,
    *,
    pixel_aspect: Fraction | None = None,
    max_pixels: int | None = None,
    orientation: Orientation | None = None,
) -> Frame:
    """Convert a decoded picture to RGB in its true shape, shrunk and turned upright.

    Args:
        picture: as the decoder gives it.
        capture_ms: its capture time, ms since the Unix epoch.
        max_side_px: the longest side allowed, pixels.
        pixel_aspect: width of a stored pixel over its height; square if unknown.
        max_pixels: the most that it may have in its true shape; ``None`` for no bound.
        orientation: how to turn it; by default as its display matrix says, which libav takes from container or stream.
    """
    width, height = shown_size(picture.width, picture.height, pixel_aspect, max_pixels)
    image = to_rgb(picture, fit(width, height, max_side_px))
    return Frame(upright(image, orientation or _displayed(picture)), capture_ms)


def _displayed(picture: av.VideoFrame) -> Orientation:
    matrix = picture.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return Orientation.UPRIGHT
    # Of AVFrameSideData's 3 x 3 int32, in the order of ISO/IEC 14496-12, clause 6.2.2.
    a, b, _, c, d = struct.unpack_from("=5i", bytes(matrix))
    return from_matrix(a, b, c, d)
