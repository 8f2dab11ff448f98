"""Splitting payloads into packets, with every check that can be made before a pixel is decoded."""

import io
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any, NoReturn, cast

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Disposition
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from hermes_ray.errors import UndecodableMedia, UnsupportedMedia
from hermes_ray.video.codec.formats.mp4_boxes import read_boxes
from hermes_ray.video.codec.formats.stills import StillHeader, read_jpeg_header, read_png_header
from hermes_ray.video.codec.frame_rate import believable
from hermes_ray.video.codec.limits import DecodeLimits
from hermes_ray.video.codec.packets.contents import ContentsReader, PacketContents, PlainReader, Vp9Reader
from hermes_ray.video.codec.packets.h264 import H264Reader
from hermes_ray.video.codec.packets.hevc import HevcReader
from hermes_ray.video.codec.packets.nal_units import Framing
from hermes_ray.video.codec.pictures import harden, size_option
from hermes_ray.video.codec.segment import Segment

_READERS: dict[str, Callable[[], ContentsReader]] = {
    "h264": lambda: H264Reader(Framing(None)),
    "hevc": lambda: HevcReader(Framing(None)),
    "vp9": Vp9Reader,
    "av1": lambda: PlainReader(shown=True, whole_from_here=True),
    "libdav1d": lambda: PlainReader(shown=True, whole_from_here=True),
    "mpeg4": lambda: PlainReader(shown=None, whole_from_here=False),  # it may say "as before" instead of a picture
}
_STILL = PacketContents(shown=True, whole_from_here=True)
_PARSE_CHUNK_BYTES = 64 * 1024
_MOST_PACKETS_PER_FRAME = 2
"""A picture may come as two fields."""
_FEW_PACKETS = 16
"""Besides, that hold no picture."""


def open_jpeg(payload: bytes, limits: DecodeLimits) -> Segment:
    """Check a JPEG's header and return its one packet."""
    return _still("JPEG", "mjpeg", read_jpeg_header(payload), limits)


def open_png(payload: bytes, limits: DecodeLimits) -> Segment:
    """Check a PNG's header and return its one packet."""
    return _still("PNG", "png", read_png_header(payload), limits)


def _still(name: str, codec: str, header: StillHeader, limits: DecodeLimits) -> Segment:
    limits.check_resolution(header.width, header.height)
    return Segment(
        name,
        _decoder(codec, limits),
        [av.Packet(header.payload)],
        [_STILL],
        frame_duration=Fraction(0),
        orientation=header.orientation,
    )


def open_h264(payload: bytes, limits: DecodeLimits, default_fps: float, room_s: float) -> Segment:
    """Split an Annex-B byte stream (ITU-T H.264) into pictures and check that it starts at a keyframe.

    libav's parser reads resolution and frame rate from the sequence parameters without decoding.
    """
    context = _decoder("h264", limits)
    packets = _parse(context, payload, limits)
    if not packets:
        raise UndecodableMedia("H.264 segment holds no picture: it is no Annex-B byte stream; check the content type")
    reader = _READERS["h264"]()
    contents = [reader.read(bytes(packet)) for packet in packets]
    pictures = sum(each.picture for each in contents)
    limits.check_frames(pictures)
    limits.check_resolution(context.width, context.height)
    claimed = context.framerate or None
    refused = claimed if claimed and not believable(claimed, pictures, room_s) else None
    fps = claimed if claimed and not refused else Fraction(default_fps)
    segment = Segment(
        "H.264 segment", context, packets, contents, frame_duration=1 / fps, pixel_aspect=None, refused_fps=refused
    )
    segment.check_start()
    limits.check_duration(float(pictures / fps))
    return segment


def _parse(context: VideoCodecContext, payload: bytes, limits: DecodeLimits) -> "list[av.Packet[Any]]":
    packets: list[av.Packet[Any]] = []
    try:
        for start in range(0, len(payload), _PARSE_CHUNK_BYTES):
            packets += context.parse(payload[start : start + _PARSE_CHUNK_BYTES])
            _check_packets(len(packets), limits)
        packets += context.parse(None)
    except FFmpegError as error:
        raise UndecodableMedia(f"H.264 segment cannot be split into pictures: {error.strerror}") from error
    _check_packets(len(packets), limits)
    return packets


def _check_packets(count: int, limits: DecodeLimits) -> None:
    if count > _MOST_PACKETS_PER_FRAME * limits.max_frames + _FEW_PACKETS:
        limits.check_frames(count)


def open_mp4(payload: bytes, limits: DecodeLimits) -> Segment:
    """Read an mp4's tables and return the packets of its first video track; other tracks are ignored."""
    boxes = read_boxes(payload)
    try:
        container = _open_container(payload, limits)
        track = _video_track(container)
        limits.check_resolution(track.width, track.height)
        packets = list(_mp4_packets(container, track, len(payload), limits))
    except FFmpegError as error:
        raise UndecodableMedia(f"mp4 cannot be read: {error.strerror}") from error
    contents = list(_mp4_contents(track, packets, limits))
    harden(track.codec_context, limits)
    segment = Segment(
        "mp4",
        track.codec_context,
        packets,
        contents,
        pixel_aspect=track.sample_aspect_ratio or None,
        orientation=boxes.orientations.get(track.id),
        owner=container,
    )
    segment.check_start()
    return segment


def _open_container(payload: bytes, limits: DecodeLimits) -> InputContainer:
    return av.open(
        io.BytesIO(payload),
        "r",
        format="mp4",
        options={
            **size_option(limits),
            "err_detect": "explode",
            "codec_whitelist": ",".join(_READERS),
            "protocol_whitelist": "none",
        },
        io_open=_refuse_to_open,
        metadata_errors="replace",
    )


def _refuse_to_open(url: str, *_: object) -> NoReturn:
    # An mp4 may name other files or addresses that hold its samples; a payload must never make us open one.
    raise UndecodableMedia(f"mp4 refers to another file, {url!r}; send self-contained segments")


def _video_track(container: InputContainer) -> VideoStream:
    tracks = [track for track in container.streams.video if not track.disposition & Disposition.attached_pic]
    if not tracks:
        raise UndecodableMedia("mp4 has no video track")
    # PyAV leaves the context out for codecs it does not know, which its stubs do not say.
    context = cast(VideoCodecContext | None, tracks[0].codec_context)
    if context is None or context.name not in _READERS:
        name = "of unknown kind" if context is None else context.name
        raise UnsupportedMedia(f"mp4 with video {name} is not supported; use H.264 (also read: hevc, mpeg4, vp9, av1)")
    return tracks[0]


def _mp4_packets(
    container: InputContainer, track: VideoStream, payload_bytes: int, limits: DecodeLimits
) -> "Iterator[av.Packet[Any]]":
    count = total = 0
    first: Fraction | None = None
    for packet in container.demux(track):
        if packet.size == 0:
            continue
        if packet.is_corrupt or packet.pts is None:
            raise UndecodableMedia(f"mp4 is damaged at picture {count + 1}")
        count += 1
        total += packet.size
        if total > payload_bytes:
            raise UndecodableMedia("mp4 uses the same bytes for several pictures")
        _check_packets(count, limits)
        end = (packet.pts + (packet.duration or 0)) * packet.time_base
        first = packet.pts * packet.time_base if first is None else first
        limits.check_duration(float(end - first))
        yield packet


def _mp4_contents(
    track: VideoStream, packets: "list[av.Packet[Any]]", limits: DecodeLimits
) -> Iterator[PacketContents]:
    reader = _READERS[track.codec_context.name]()
    reader.configure(track.codec_context.extradata or b"")
    pictures = 0
    for packet in packets:
        if packet.has_sidedata("new_extradata"):
            reader.configure(bytes(packet.get_sidedata("new_extradata")))
        contents = reader.read(bytes(packet))
        pictures += contents.picture
        limits.check_frames(pictures)
        yield contents


def _decoder(codec: str, limits: DecodeLimits) -> VideoCodecContext:
    context = cast(VideoCodecContext, av.CodecContext.create(codec, "r"))
    harden(context, limits)
    return context
