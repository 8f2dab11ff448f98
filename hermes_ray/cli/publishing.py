"""From a video source to Kafka: frames into messages, messages to the broker."""

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal, cast

from hermes_ray.errors import BrokerUnavailable, HermesError, PublishFailed
from hermes_ray.transport.message import FrameMessage
from hermes_ray.video.codec import SegmentEncoder, encode_jpeg, resize, shrink
from hermes_ray.video.frame import Frame

Send = Callable[[FrameMessage], Future[Any]]
"""Publishes a message; the future resolves when the broker has confirmed it."""

_MAX_UNCONFIRMED = 8
"""Messages on their way at once; encoding goes on while the broker works on them."""
_JITTER = 1.125
"""The next frame may come so much later than the one before did."""


class Encoding(StrEnum):
    """How frames travel."""

    MP4 = "mp4"
    """H.264 segments that keep every frame's own capture time."""
    H264 = "h264"
    """Raw H.264 segments; frames within one are spaced by the frame rate."""
    JPEG = "jpeg"
    """One message per frame."""


class MessagePacker:
    """Turns the frames of one stream into messages.

    Args:
        stream_id: the Kafka key.
        fps: frame rate of the source.
        segment_seconds: video time of one segment; a frame waits this long at most before it is published.
        max_side_px: shrink larger frames to this.
    """

    def __init__(
        self, stream_id: str, encoding: Encoding, fps: float, segment_seconds: float = 1.0, max_side_px: int = 1280
    ) -> None:
        self._stream_id = stream_id
        self._encoding = encoding
        self._fps = fps
        self._frames_per_message = 1 if encoding is Encoding.JPEG else max(1, round(fps * segment_seconds))
        self._segment_ms = 1000 * segment_seconds
        self._max_side_px = max_side_px
        self._sequence = 0

    def pack(self, frames: Iterable[Frame]) -> Iterator[tuple[FrameMessage, int]]:
        """Yield messages, each with the number of frames in it."""
        group: list[Frame] = []
        gap_ms = 1000 / self._fps
        last_ms: int | None = None
        for frame in frames:
            frame = _even(Frame(shrink(frame.image, self._max_side_px), frame.ts_ms))
            gap_ms = gap_ms if last_ms is None else frame.ts_ms - last_ms
            last_ms = frame.ts_ms
            if group and not self._belongs(frame, group):
                yield self._message(group), len(group)
                group = []
            group.append(frame)
            # A source may be much slower than `fps`: nothing waits for a frame that will come too late.
            next_ms = frame.ts_ms + _JITTER * gap_ms - group[0].ts_ms
            if len(group) == self._frames_per_message or next_ms >= self._segment_ms:
                yield self._message(group), len(group)
                group = []
        if group:
            yield self._message(group), len(group)

    def _belongs(self, frame: Frame, group: list[Frame]) -> bool:
        # A camera that changes its resolution starts a new segment: one segment has one size.
        same_size = frame.image.shape == group[0].image.shape
        return same_size and frame.ts_ms - group[0].ts_ms < self._segment_ms

    def _message(self, group: list[Frame]) -> FrameMessage:
        payload, content_type = self._encode(group)
        message = FrameMessage(self._stream_id, payload, content_type, group[0].ts_ms, self._sequence)
        self._sequence += 1
        return message

    def _encode(self, group: list[Frame]) -> tuple[bytes, str]:
        if self._encoding is Encoding.JPEG:
            return encode_jpeg(group[0].image), "image/jpeg"
        container = cast(Literal["mp4", "h264"], self._encoding.value)
        encoder = SegmentEncoder(group[0].width, group[0].height, self._fps, container)
        offsets = [frame.ts_ms - group[0].ts_ms for frame in group] if container == "mp4" else None
        return encoder.encode([frame.image for frame in group], offsets), encoder.content_type


def excerpt(frames: Iterable[Frame], seconds: float | None) -> Iterator[Frame]:
    """Yield the frames of the first ``seconds`` of capture time; all of them if that is ``None``."""
    end_ts_ms: float | None = None
    for frame in frames:
        if end_ts_ms is None:
            end_ts_ms = frame.ts_ms + (math.inf if seconds is None else seconds * 1000)
        if frame.ts_ms >= end_ts_ms:
            return
        yield frame


def publish_all(
    frames: Iterable[Frame],
    packer: MessagePacker,
    send: Send,
    on_published: Callable[[int, int], object],
    on_away: Callable[[str], object] | None = None,
) -> None:
    """Publish frames until there are no more, and wait until the broker has confirmed the last.

    Args:
        frames: of one stream, in order.
        packer: makes messages of them.
        send: publishes one message; its future resolves when the broker has confirmed it.
        on_published: called in order, once per confirmed message, with its frames and bytes.
        on_away: called with what the producer says whenever the broker was away for too long; then the messages are
            sent again, for as long as it takes. By default that is an error.

    Raises:
        HermesError: what the source, the encoder or the broker had to object.
    """
    outgoing = _Outgoing(send, on_published, on_away)
    for message, count in packer.pack(frames):
        outgoing.add(message, count)
    outgoing.finish()


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


def _even(frame: Frame) -> Frame:
    # 4:2:0 chroma needs even sides.
    height, width = max(2, frame.height // 2 * 2), max(2, frame.width // 2 * 2)
    return Frame(resize(frame.image, height, width), frame.ts_ms)
