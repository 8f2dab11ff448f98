"""From a video source to Kafka: frames into messages, messages to the broker."""

import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal, cast

from hermes_ray.errors import BrokerUnavailable, HermesError, MediaTooLarge, PublishFailed, SourceError
from hermes_ray.transport.message import FrameMessage
from hermes_ray.transport.publisher import check_record_size
from hermes_ray.video.codec import DecodeLimits, SegmentEncoder, decode, encode_jpeg, resize, shrink
from hermes_ray.video.codec.resize import fit
from hermes_ray.video.frame import Frame
from hermes_ray.video.segmenter import Segmenter

Send = Callable[[FrameMessage], Future[Any]]
"""Publishes a message; the future resolves when the broker has confirmed it."""

_MAX_UNCONFIRMED = 8
"""Messages on their way at once; encoding goes on while the broker works on them."""


class Encoding(StrEnum):
    """How frames travel."""

    MP4 = "mp4"
    """H.264 segments that keep every frame's own capture time."""
    H264 = "h264"
    """Raw H.264 segments; frames within one are spaced by the frame rate, so one that is not begins another."""
    JPEG = "jpeg"
    """One message per frame."""


class MessagePacker:
    """Turns the frames of one stream into messages that a consumer with the same limits takes.

    Args:
        stream_id: the Kafka key.
        encoding: how the frames travel.
        fps: the most frames per second of the source.
        segment_seconds: video time of one segment; a frame waits this long at most before it is published.
        max_side_px: shrink larger frames to this.
        limits: of those who will decode the messages; a larger picture is shrunk, a longer segment is cut.
        max_record_bytes: key, value and headers of a message together; by default as many as the limits allow.
        clock: seconds, only going forward.
    """

    def __init__(
        self,
        stream_id: str,
        encoding: Encoding,
        fps: float,
        segment_seconds: float = 1.0,
        max_side_px: int = 1280,
        *,
        limits: DecodeLimits | None = None,
        max_record_bytes: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream_id = stream_id
        self._encoding = encoding
        self._fps = fps
        self._max_side_px = max_side_px
        self._limits = limits or DecodeLimits()
        self._max_record_bytes = max_record_bytes
        self._clock = clock
        self._sequence = 0
        self._segmenter = Segmenter(fps, segment_seconds, self._limits, evenly_spaced=encoding is Encoding.H264)

    def pack(self, frames: Iterable[Frame | None]) -> Iterator[tuple[FrameMessage, int]]:
        """Yield messages, each with the number of frames in it.

        Args:
            frames: in order. ``None`` between them says that none came for :meth:`patience_s`; what is held then
                waits no longer.

        Raises:
            SourceError: of the frames, behind the message that holds the last ones before it.
            MediaTooLarge: a single picture is beyond a limit.
        """
        try:
            for frame in frames:
                for run in self._runs(frame):
                    yield from self._messages(run)
        except SourceError:
            yield from self._messages(self._segmenter.take())
            raise
        yield from self._messages(self._segmenter.take())

    def patience_s(self) -> float | None:
        """How long the next frame may be waited for, seconds; ``None``: for ever, as no frame is held."""
        return self._segmenter.patience_s(self._clock())

    def _runs(self, frame: Frame | None) -> Iterator[list[Frame]]:
        if frame is None:
            if self.patience_s() == 0:
                yield self._segmenter.take()
        elif self._encoding is Encoding.JPEG:
            yield [self._fitted(frame)]
        else:
            yield from self._segmenter.add(self._fitted(frame), self._clock())

    def _messages(self, run: list[Frame]) -> Iterator[tuple[FrameMessage, int]]:
        """Yield the run as one message, or as several if one would be too large."""
        if not run:
            return
        try:
            message = self._message(run)
        except MediaTooLarge as error:
            if len(run) == 1:
                raise MediaTooLarge(f"one picture alone is too large ({error}): publish smaller pictures") from error
            half = len(run) // 2
            yield from self._messages(run[:half])
            yield from self._messages(run[half:])
        else:
            self._sequence += 1
            yield message, len(run)

    def _message(self, run: list[Frame]) -> FrameMessage:
        payload, content_type = self._encode(run)
        # What a consumer would refuse must not be published, let alone be counted as published: it judges here already.
        decode(payload, content_type, run[0].ts_ms, self._limits, written_ms=run[-1].ts_ms)
        message = FrameMessage(self._stream_id, payload, content_type, run[0].ts_ms, self._sequence)
        if self._max_record_bytes is not None:
            check_record_size(message.stream_id.encode(), payload, message.to_headers(), self._max_record_bytes)
        return message

    def _encode(self, run: list[Frame]) -> tuple[bytes, str]:
        if self._encoding is Encoding.JPEG:
            return encode_jpeg(run[0].image), "image/jpeg"
        container = cast(Literal["mp4", "h264"], self._encoding.value)
        encoder = SegmentEncoder(run[0].width, run[0].height, self._fps, container)
        offsets = [frame.ts_ms - run[0].ts_ms for frame in run] if container == "mp4" else None
        return encoder.encode([frame.image for frame in run], offsets), encoder.content_type

    def _fitted(self, frame: Frame) -> Frame:
        """Shrink a frame to what may be published, with even sides: 4:2:0 chroma needs them."""
        side_px = _longest_side(frame.width, frame.height, self._max_side_px, self._limits.max_pixels)
        image = shrink(frame.image, side_px)
        height, width = (max(2, length // 2 * 2) for length in image.shape[:2])
        return Frame(resize(image, height, width), frame.ts_ms)


def _longest_side(width: int, height: int, max_side_px: int, max_pixels: int) -> int:
    """The longer side, at most ``max_side_px``, at which a picture of this shape has at most ``max_pixels``."""
    longer, shorter = max(width, height), min(width, height)
    side_px = min(max_side_px, longer, math.isqrt(max_pixels * longer // shorter) + 1)
    while math.prod(fit(width, height, side_px)) > max_pixels and side_px > 1:  # sides are rounded
        side_px -= 1
    return side_px


def publish_all(
    frames: Iterable[Frame | None],
    packer: MessagePacker,
    send: Send,
    on_published: Callable[[int, int], object],
    on_away: Callable[[str], object] | None = None,
) -> None:
    """Publish frames until there are no more, and wait until the broker has confirmed the last.

    Args:
        frames: as for :meth:`MessagePacker.pack`.
        packer: makes messages of them.
        send: publishes one message; its future resolves when the broker has confirmed it.
        on_published: called in order, once per confirmed message, with its frames and bytes.
        on_away: called with what the producer says whenever the broker was away for too long; then the messages are
            sent again, for as long as it takes. By default that is an error.

    Raises:
        HermesError: what the source, the encoder or the broker had to object. What was captured before a source failed
            is published first.
    """
    outgoing = _Outgoing(send, on_published, on_away)
    failure: SourceError | None = None
    try:
        for message, count in packer.pack(frames):
            outgoing.add(message, count)
    except SourceError as error:
        failure = error
    outgoing.finish()
    if failure is not None:
        raise failure


@dataclass(slots=True)
class _Sent:
    message: FrameMessage
    frames: int
    delivery: Future[Any]


class _Outgoing:
    """Messages that the broker has not confirmed, oldest first: few, so that a source waits for the broker."""

    def __init__(
        self, send: Send, on_published: Callable[[int, int], object], on_away: Callable[[str], object] | None
    ) -> None:
        self._send = send
        self._on_published = on_published
        self._on_away = on_away
        self._unconfirmed: deque[_Sent] = deque()

    def add(self, message: FrameMessage, frames: int) -> None:
        self._unconfirmed.append(_Sent(message, frames, self._try(message)))
        while self._unconfirmed and (self._unconfirmed[0].delivery.done() or len(self._unconfirmed) > _MAX_UNCONFIRMED):
            self._settle_oldest()

    def finish(self) -> None:
        while self._unconfirmed:
            self._settle_oldest()

    def _settle_oldest(self) -> None:
        oldest = self._unconfirmed[0]
        error = oldest.delivery.exception()
        if error is None:
            self._unconfirmed.popleft()
            self._on_published(oldest.frames, len(oldest.message.payload))
        elif self._on_away is None or not _may_pass(error):
            raise error
        else:
            self._on_away(str(error))
            self._send_again()

    def _send_again(self) -> None:
        # None of those behind may arrive after one that is sent again: they end first.
        failed = [sent for sent in self._unconfirmed if sent.delivery.exception() is not None]
        for sent in failed:
            sent.delivery = self._try(sent.message)

    def _try(self, message: FrameMessage) -> Future[Any]:
        try:
            return self._send(message)
        except HermesError as error:
            failed: Future[Any] = Future()
            failed.set_exception(error)
            return failed


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, BrokerUnavailable) or (isinstance(error, PublishFailed) and error.retriable)
