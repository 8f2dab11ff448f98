"""Frames to bytes, for publishers."""

import io
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any, Literal, cast

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.reformatter import ColorRange
from av.video.stream import VideoStream
from numpy.typing import NDArray

from hermes_ray.video.codec.resize import SHRINKING, fit, to_video_frame

_MILLISECOND = Fraction(1, 1000)
_JPEG_BEST_QUANTISER, _JPEG_WORST_QUANTISER = 2, 31


def encode_jpeg(image: NDArray[np.uint8], quality: int = 85, max_side_px: int | None = None) -> bytes:
    """Encode ``[H, W, 3]`` uint8 RGB as JPEG with 4:2:0 chroma.

    Args:
        image: the picture.
        quality: 1 (smallest) to 100 (best).
        max_side_px: a picture whose longer side has more pixels is scaled down to that, in the same pass.

    Raises:
        ValueError: another shape or dtype, or a quality out of range.
    """
    if not 1 <= quality <= 100:
        raise ValueError(f"quality must be 1 to 100, not {quality}")
    width, height = fit(image.shape[1], image.shape[0], max_side_px)
    picture = to_video_frame(image).reformat(
        width, height, "yuvj420p", dst_color_range=ColorRange.JPEG, interpolation=SHRINKING
    )
    context = _still_encoder("mjpeg", "yuvj420p", picture)
    span = _JPEG_WORST_QUANTISER - _JPEG_BEST_QUANTISER
    context.qmin = context.qmax = _JPEG_BEST_QUANTISER + round((100 - quality) / 99 * span)
    return _encode_still(context, picture)


def encode_png(image: NDArray[np.uint8]) -> bytes:
    """Encode ``[H, W, 3]`` uint8 RGB as PNG, without loss.

    Raises:
        ValueError: another shape or dtype.
    """
    picture = to_video_frame(image)
    return _encode_still(_still_encoder("png", "rgb24", picture), picture)


def _still_encoder(codec: str, pix_fmt: str, picture: av.VideoFrame) -> VideoCodecContext:
    context = cast(VideoCodecContext, av.CodecContext.create(codec, "w"))
    context.width, context.height, context.pix_fmt = picture.width, picture.height, pix_fmt
    context.time_base = Fraction(1)
    context.thread_count = 1
    return context


def _encode_still(context: VideoCodecContext, picture: av.VideoFrame) -> bytes:
    picture.pts = 0
    return b"".join(bytes(packet) for packet in (*context.encode(picture), *context.encode(None)))


class SegmentEncoder:
    """Encodes runs of frames as H.264 segments, each decodable on its own.

    Every segment is encoded afresh, so it starts at a keyframe (IDR) with its parameter sets and depends on no other.

    Args:
        width: pixels, even (4:2:0 chroma).
        height: pixels, even.
        fps: nominal frame rate; written into the stream, and the spacing of frames without explicit offsets.
        container: ``mp4`` keeps each frame's own time; ``h264`` (Annex-B bytes) knows the frame rate only.
        crf: quality, 0 (lossless) to 51; 23 is x264's usual.

    Attributes:
        content_type: of the segments.

    Raises:
        ValueError: an odd or empty size, or an ``fps`` that is not positive.
    """

    def __init__(
        self, width: int, height: int, fps: float, container: Literal["mp4", "h264"] = "mp4", *, crf: int = 23
    ) -> None:
        if width < 2 or height < 2 or width % 2 or height % 2:
            raise ValueError(f"H.264 needs an even width and height, not {width}x{height}; resize first")
        if fps <= 0:
            raise ValueError(f"fps must be positive, not {fps}")
        self.content_type = f"video/{container}"
        self._size = (width, height)
        self._fps = Fraction(fps).limit_denominator(1001)
        self._container = container
        # x264 writes the time base into a raw stream's VUI, where decoders take the frame rate from.
        self._time_base = _MILLISECOND if container == "mp4" else 1 / self._fps
        self._options = {"preset": "veryfast", "crf": str(crf)}

    def encode(self, images: Sequence[NDArray[np.uint8]], offsets_ms: Sequence[int] | None = None) -> bytes:
        """Encode one segment.

        Args:
            images: at least one ``[height, width, 3]`` uint8 RGB picture.
            offsets_ms: each picture's time after the first, ms, strictly increasing from 0; mp4 only. By default
                pictures are spaced by the frame rate.

        Raises:
            ValueError: no pictures, a wrong shape, or offsets that do not fit.
        """
        times = self._times(len(images), offsets_ms)
        buffer = io.BytesIO()
        with av.open(buffer, "w", format=self._container) as output:
            stream = self._add_stream(output)
            for image, time in zip(images, times, strict=True):
                output.mux(stream.encode(self._picture(image, time)))
            output.mux(stream.encode(None))
        return buffer.getvalue()

    def _times(self, count: int, offsets_ms: Sequence[int] | None) -> Sequence[int]:
        """Return each picture's time in units of the time base."""
        if count == 0:
            raise ValueError("a segment needs at least one picture")
        if offsets_ms is None:
            return [round(index / (self._fps * self._time_base)) for index in range(count)]
        if self._container != "mp4":
            raise ValueError("a raw H.264 segment cannot carry offsets; use mp4")
        increasing = all(early < late for early, late in pairwise(offsets_ms))
        if len(offsets_ms) != count or offsets_ms[0] != 0 or not increasing:
            raise ValueError(f"offsets must be {count} numbers, strictly increasing from 0")
        return offsets_ms

    def _add_stream(self, output: Any) -> VideoStream:
        stream: VideoStream = output.add_stream("libx264", rate=self._fps, options=self._options)
        stream.width, stream.height = self._size
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.time_base = self._time_base
        context.max_b_frames = 0  # frames leave in the order they were taken
        context.gop_size = 1_000_000  # one keyframe, the first
        context.thread_count = 1
        return stream

    def _picture(self, image: NDArray[np.uint8], time: int) -> av.VideoFrame:
        if image.shape[:2] != self._size[::-1]:
            raise ValueError(f"expected pictures of {self._size[0]}x{self._size[1]}, got {list(image.shape)}")
        picture = to_video_frame(image)
        picture.pts, picture.time_base = time, self._time_base
        return picture
