"""Cameras that publish steadily, whatever happens to those who read."""

import itertools
import threading
import time
from collections import defaultdict
from concurrent.futures import Future, ThreadPoolExecutor

from hermes_ray.bench.recovery.timeline import FrameGrid
from hermes_ray.config import KafkaSettings
from hermes_ray.transport.message import FrameMessage
from hermes_ray.transport.producer import FrameProducer
from hermes_ray.transport.publisher import Delivery
from hermes_ray.video.codec import encode_jpeg
from hermes_ray.video.sources.simulated import SimulatedCamera

_WIDTH_PX, _HEIGHT_PX = 160, 120
_PICTURES = 20
"""Encoded in advance and shown over and over: rendering would take the processors from the system under test."""


class Cameras:
    """Publishes one frame of every stream per period, the streams evenly spread over the period.

    A frame's capture time is the moment at which it is due, so what delays publishing counts as lag.

    Args:
        settings: of the broker; the topic exists.
        streams: their names.
        fps: frames per second of each.

    Attributes:
        grids: when the frames of each stream are taken.
    """

    def __init__(self, settings: KafkaSettings, streams: tuple[str, ...], fps: float) -> None:
        self._settings = settings
        self._pictures = {stream: _pictures(seed, fps) for seed, stream in enumerate(streams)}
        period_ms = round(1000 / fps)
        start_ms = round(time.time() * 1000) + period_ms
        self.grids = {
            stream: FrameGrid(start_ms + number * period_ms // len(streams), period_ms)
            for number, stream in enumerate(streams)
        }
        self._sent: dict[str, list[Future[Delivery]]] = defaultdict(list)
        self._ending = threading.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="cameras")
        self._publishing: Future[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._publishing = self._thread.submit(self._publish)

    def close(self) -> None:
        """Stop, and wait until the broker has confirmed what was sent. Safe to repeat."""
        self._ending.set()
        self._thread.shutdown()

    def check(self) -> None:
        """Raise what ended publishing, if anything did."""
        if self._publishing is not None and self._publishing.done():
            self._publishing.result()

    def published(self, stream: str) -> int:
        """Frames of a stream sent so far."""
        return len(self._sent[stream])

    def frame_at(self, stream: str, partition: int, offset: int) -> int:
        """The frame that lies there in Kafka; it has been confirmed."""
        deliveries = enumerate(sent.result() for sent in self._sent[stream] if sent.done())
        return next(number for number, at in deliveries if (at.partition, at.offset) == (partition, offset))

    def _publish(self) -> None:
        with FrameProducer(self._settings) as producer:
            for number in itertools.count():
                for stream, grid in self.grids.items():
                    if self._ending.wait(max(0.0, grid.captured_s(number) - time.time())):
                        return
                    picture = self._pictures[stream][number % _PICTURES]
                    ts_ms = grid.start_ms + number * grid.period_ms
                    self._sent[stream].append(producer.send(FrameMessage(stream, picture, "image/jpeg", ts_ms)))


def _pictures(seed: int, fps: float) -> list[bytes]:
    camera = SimulatedCamera(seed, fps=fps, width=_WIDTH_PX, height=_HEIGHT_PX, seconds=_PICTURES / fps)
    return [encode_jpeg(frame.image) for frame in camera.frames()]
