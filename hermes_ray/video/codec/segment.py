"""Packets that passed every check that needs no pixels."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
from av.video.codeccontext import VideoCodecContext

from hermes_ray.errors import UndecodableMedia
from hermes_ray.video.codec.orientation import Orientation
from hermes_ray.video.codec.packets.contents import PacketContents

_SQUARE = Fraction(1)


@dataclass(frozen=True, slots=True)
class Segment:
    """What is to be decoded.

    Attributes:
        name: what it is called in errors, such as ``JPEG``.
        context: a decoder that is not open yet.
        packets: in decoding order.
        contents: what each packet holds.
        frame_duration: seconds between pictures, for streams without timestamps; ``None`` uses the packets'.
        pixel_aspect: width of a stored pixel over its height; ``None`` takes the decoder's word.
        orientation: how to turn all pictures; ``None`` goes by what the packets say.
        refused_fps: a frame rate of the stream's own that cannot be right and is not used.
        owner: what must stay alive while decoding.
    """

    name: str
    context: VideoCodecContext
    packets: "Sequence[av.Packet[Any]]"
    contents: Sequence[PacketContents]
    frame_duration: Fraction | None = None
    pixel_aspect: Fraction | None = _SQUARE
    orientation: Orientation | None = None
    refused_fps: Fraction | None = None
    owner: object = None

    @property
    def pictures(self) -> int:
        """How many pictures are coded, shown or not."""
        return sum(each.picture for each in self.contents)

    @property
    def first_picture(self) -> int:
        """The packet in which the first picture begins.

        Raises:
            UndecodableMedia: there is none.
        """
        for index, each in enumerate(self.contents):
            if each.picture:
                return index
        raise UndecodableMedia(f"{self.name} holds no picture")

    def seconds(self) -> float:
        """How long the pictures last, seconds."""
        if self.frame_duration is not None:
            return float(self.pictures * self.frame_duration)
        starts = [packet.pts for packet in self.packets if packet.pts is not None]
        if not starts:
            return 0.0
        last = max(self.packets, key=lambda packet: packet.pts or 0)
        return float((max(starts) - min(starts) + (last.duration or 0)) * last.time_base)

    def check_start(self) -> None:
        """Check that decoding can begin at the first picture.

        Raises:
            UndecodableMedia: it cannot.
        """
        contents, packet = self.contents[self.first_picture], self.packets[self.first_picture]
        if contents.parameter_sets is False:
            raise UndecodableMedia(
                f"{self.name} lacks the parameter sets (SPS and PPS) of its first picture; "
                f"let the encoder repeat them before every keyframe, or cut with ffmpeg's -bsf:v dump_extra"
            )
        if not packet.is_keyframe and not contents.random_access:
            raise UndecodableMedia(
                f"{self.name} does not start at a keyframe or recovery point; cut segments at keyframes"
            )

    def start(self) -> int:
        """Return the timestamp that the capture time belongs to, in the packets' time base.

        It is the earliest of those that are presented. Pictures that are shown before the random access point at which
        the segment was cut do not count: they cannot be decoded, and who cut it knows the time of that point.
        """
        first = self.first_picture
        cut_at = self.packets[first].pts
        whole = self.contents[first].whole_from_here
        times = [
            packet.pts
            for packet, each in zip(self.packets, self.contents, strict=True)
            if packet.pts is not None
            and each.shown is not False
            and not packet.is_discard
            and (whole or cut_at is None or packet.pts >= cut_at)
        ]
        return min(times, default=0)
