"""Cameras that publish steadily, every frame with its number, and remember what the broker confirmed."""

import random
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from hermes_ray.config import Settings
from hermes_ray.transport.message import FrameMessage
from hermes_ray.transport.producer import FrameProducer
from hermes_ray.transport.publisher import Delivery
from hermes_ray.video.codec import SegmentEncoder, encode_png

START_MS = 1_700_000_000_000
FPS = 3
WIDTH, HEIGHT = 64, 48
_BLOCK = 8
_JITTER_MS = 60
_MOST_AHEAD = 100
"""Records of a stream that may wait to be applied: far more than any recovery takes, so that only a machine that is too
busy with other things makes the cameras pause, and not fall behind for ever."""


class Cameras:
    """Publishes a frame of every stream per round, from entering the ``with`` block until it is left.

    Args:
        settings: names broker and topic.
        streams: their ids. The last sends segments of a second, the others a picture each, with a camera's jitter.
        round_s: from one round to the next, seconds.
        applied_ms: tells the capture time of a stream's newest applied frame.
    """

    def __init__(
        self, settings: Settings, streams: Sequence[str], round_s: float, applied_ms: Callable[[str], int]
    ) -> None:
        self._settings = settings
        self._streams = streams
        self._round_s = round_s
        self._applied_ms = applied_ms
        self._stopping = threading.Event()
        self._failure: Exception | None = None
        self.published: dict[str, list[FrameMessage]] = {stream: [] for stream in streams}
        self.sent: dict[str, list[Future[Delivery]]] = {stream: [] for stream in streams}
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()
        if error is None and self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """Publish no more. Safe to repeat."""
        self._stopping.set()
        self._thread.join()

    @property
    def records(self) -> int:
        """Published so far, of all streams."""
        return sum(len(messages) for messages in self.published.values())

    def newest_ms(self) -> dict[str, int]:
        """Capture time of the newest record of every stream that has one."""
        return {stream: messages[-1].ts_ms for stream, messages in self.published.items() if messages}

    def ends(self) -> dict[int, int]:
        """Per partition, the offset after the last record. Waits for the broker's confirmations."""
        ends: dict[int, int] = {}
        for delivery in (future.result() for sent in self.sent.values() for future in sent):
            ends[delivery.partition] = max(ends.get(delivery.partition, 0), delivery.offset + 1)
        return ends

    def _run(self) -> None:
        encoder = SegmentEncoder(WIDTH, HEIGHT, FPS, container="h264")
        try:
            with FrameProducer(self._settings.kafka) as producer:
                number = 0
                while not self._stopping.wait(self._round_s):
                    if self._is_ahead():
                        continue
                    for seed, stream in enumerate(self._streams):
                        message = self._message(stream, seed, number, encoder)
                        if message is None:
                            continue
                        self.sent[stream].append(producer.send(message))
                        self.published[stream].append(message)
                    number += 1
        except Exception as error:
            self._failure = error
            raise

    def _is_ahead(self) -> bool:
        return any(
            len(messages) > _MOST_AHEAD and messages[-_MOST_AHEAD].ts_ms > self._applied_ms(stream)
            for stream, messages in self.published.items()
        )

    def _message(self, stream: str, seed: int, number: int, encoder: SegmentEncoder) -> FrameMessage | None:
        if stream != self._streams[-1]:
            jitter = random.Random(f"{seed}/{number}").randrange(-_JITTER_MS, _JITTER_MS)
            ts_ms = START_MS + number * 1000 // FPS + jitter
            return FrameMessage(stream, encode_png(picture(seed, number)), "image/png", ts_ms, seq=number)
        segment, frame = divmod(number, FPS)
        if frame < FPS - 1:  # it is not complete
            return None
        images = [picture(seed, FPS * segment + frame) for frame in range(FPS)]
        ts_ms = START_MS + segment * 1000
        return FrameMessage(stream, encoder.encode(images), encoder.content_type, ts_ms, seq=segment)


def picture(seed: int, number: int) -> NDArray[np.uint8]:
    """The picture with that number: coloured blocks, so that no two are alike and each is a few hundred bytes."""
    blocks = np.random.default_rng((seed, number)).integers(
        0, 256, (HEIGHT // _BLOCK, WIDTH // _BLOCK, 3), dtype=np.uint8
    )
    return blocks.repeat(_BLOCK, axis=0).repeat(_BLOCK, axis=1)
