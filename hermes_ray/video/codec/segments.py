"""Splitting payloads into packets, with every check that can be made before a pixel is decoded."""

import io
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, NoReturn, cast

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Disposition
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from hermes_ray.errors import UndecodableMedia, UnsupportedMedia
from hermes_ray.video.codec.limits import DecodeLimits
from hermes_ray.video.codec.mp4_boxes import check_boxes
from hermes_ray.video.codec.pictures import Segment, harden, hardened_options
from hermes_ray.video.codec.stills import StillHeader, read_jpeg_header, read_png_header

_MP4_CODECS = ("h264", "hevc", "mpeg4", "vp9", "av1", "libdav1d")
_PARSE_CHUNK_BYTES = 64 * 1024


def open_jpeg(payload: bytes, limits: DecodeLimits) -> Segment:
    """Check a JPEG's header and return its one packet."""
    return _still("JPEG", "mjpeg", read_jpeg_header(payload), limits)


def open_png(payload: bytes, limits: DecodeLimits) -> Segment:
    """Check a PNG's header and return its one packet."""
    return _still("PNG", "png", read_png_header(payload), limits)


def _still(name: str, codec: str, header: StillHeader, limits: DecodeLimits) -> Segment:
    limits.check_resolution(header.width, header.height)
    return Segment(name, _decoder(codec, limits), [av.Packet(header.payload)], frame_duration=Fraction(0))


def open_h264(payload: bytes, limits: DecodeLimits, default_fps: float) -> Segment:
    """Split an Annex-B byte stream (ITU-T H.264) into pictures and check that it starts at a keyframe.

    libav's parser reads resolution and frame rate from the sequence parameters without decoding.
    """
    context = _decoder("h264", limits)
    packets: list[av.Packet[Any]] = []
    try:
        for start in range(0, len(payload), _PARSE_CHUNK_BYTES):
            packets += context.parse(payload[start : start + _PARSE_CHUNK_BYTES])
            limits.check_frames(len(packets))
        packets += context.parse(None)
    except FFmpegError as error:
        raise UndecodableMedia(f"H.264 segment cannot be split into pictures: {error.strerror}") from error
    limits.check_frames(len(packets))
    limits.check_resolution(context.width, context.height)
    if not packets or not packets[0].is_keyframe:
        raise UndecodableMedia(
            "H.264 segment does not start at a keyframe with its parameter sets, or is not an Annex-B byte stream"
        )
    frame_duration = 1 / (context.framerate or Fraction(default_fps))
    limits.check_duration(float(len(packets) * frame_duration))
    return Segment("H.264 segment", context, packets, frame_duration)


def open_mp4(payload: bytes, limits: DecodeLimits) -> Segment:
    """Read an mp4's tables and return the packets of its first video track; other tracks are ignored."""
    check_boxes(payload)
    try:
        container = _open_container(payload, limits)
        track = _video_track(container)
        limits.check_resolution(track.width, track.height)
        packets = list(_mp4_packets(container, track, len(payload), limits))
    except FFmpegError as error:
        raise UndecodableMedia(f"mp4 cannot be read: {error.strerror}") from error
    if not packets or not packets[0].is_keyframe:
        raise UndecodableMedia("mp4 holds no picture, or does not start at a keyframe")
    harden(track.codec_context, limits)
    return Segment("mp4", track.codec_context, packets, owner=container)


def _open_container(payload: bytes, limits: DecodeLimits) -> InputContainer:
    return av.open(
        io.BytesIO(payload),
        "r",
        format="mp4",
        options={
            **hardened_options(limits),
            "codec_whitelist": ",".join(_MP4_CODECS),
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
    if context is None or context.name not in _MP4_CODECS:
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
        limits.check_frames(count)
        end = (packet.pts + (packet.duration or 0)) * packet.time_base
        first = packet.pts * packet.time_base if first is None else first
        limits.check_duration(float(end - first))
        yield packet


def _decoder(codec: str, limits: DecodeLimits) -> VideoCodecContext:
    context = cast(VideoCodecContext, av.CodecContext.create(codec, "r"))
    harden(context, limits)
    return context
