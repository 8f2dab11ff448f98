"""Cameras that publish steadily, as many of them as is said."""

import heapq
import threading
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor

from hermes_ray.bench.capacity.footage import CYCLE, film
from hermes_ray.bench.capacity.plan import Plan
from hermes_ray.config import KafkaSettings
from hermes_ray.transport.message import FrameMessage
from hermes_ray.transport.producer import FrameProducer

_FILMS = 4
_GOLDEN = 0.618034
"""Phases that are multiples of it are spread evenly, however many there are (Weyl's sequence)."""
_REMEMBERED_S = 60.0


class Fleet:
    """Publishes from one thread. A frame's capture time is the moment at which it is due, so being late is lag.

    Args:
        plan: what the cameras show, and how many there may be.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._films = [film(seed, plan.quiet, plan.width_px, plan.height_px) for seed in range(_FILMS)]
        self._streams = plan.stream_ids()
        self._wanted = 0
        self._published = 0
        self._moments: deque[tuple[float, int]] = deque()
        self.late_s = 0.0
        self._changed = threading.Condition()
        self._ending = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="cameras")
        self._publishing: Future[None] | None = None

    @property
    def picture_bytes(self) -> float:
        """Bytes of a picture, on average."""
        pictures = [len(picture) for loop in self._films for picture in loop]
        return sum(pictures) / len(pictures)

    @property
    def published(self) -> int:
        """Frames sent so far."""
        return self._published

    def published_by(self, moment_s: float) -> int:
        """Frames that had been sent at a moment of the last minute, seconds since epoch."""
        return max((count for at_s, count in list(self._moments) if at_s <= moment_s), default=0)

    def start(self, settings: KafkaSettings) -> None:
        """Begin, without any camera.

        Args:
            settings: of the broker; the topic exists.
        """
        self._wanted, self._published, self._ending = 0, 0, False
        self._moments.clear()
        self._publishing = self._thread.submit(self._publish, settings)

    def stop(self) -> None:
        """Stop all cameras, and wait until the broker has confirmed what was sent. Safe to repeat."""
        with self._changed:
            self._ending = True
            self._changed.notify_all()
        if self._publishing is not None:
            self._publishing.result()
            self._publishing = None

    def show(self, cameras: int) -> None:
        """From now on so many publish: the first ones of their names."""
        with self._changed:
            self._wanted = cameras
            self._changed.notify_all()

    def check(self) -> None:
        """Raise what ended publishing, if anything did."""
        if self._publishing is not None and self._publishing.done():
            self._publishing.result()

    def _publish(self, settings: KafkaSettings) -> None:
        period_s = 1 / self._plan.fps
        due: list[tuple[float, int, int]] = []  # when, which camera, which of its frames
        running = 0
        with FrameProducer(settings) as producer:
            while True:
                with self._changed:
                    wait_s = None if not due else max(0.0, due[0][0] - time.time())
                    self._changed.wait_for(lambda known=running: self._ending or self._wanted != known, wait_s)
                    if self._ending:
                        return
                    wanted = self._wanted
                if wanted != running:
                    now_s = time.time()
                    due = [item for item in due if item[1] < wanted]
                    due += [(now_s + period_s * (n * _GOLDEN % 1), n, n * 7) for n in range(running, wanted)]
                    heapq.heapify(due)
                    running = wanted
                while due and due[0][0] <= time.time():
                    at_s, camera, frame = due[0]
                    heapq.heapreplace(due, (at_s + period_s, camera, frame + 1))
                    self._send(producer, at_s, camera, frame)

    def _send(self, producer: FrameProducer, at_s: float, camera: int, frame: int) -> None:
        picture = self._films[camera % _FILMS][frame % CYCLE]
        producer.send(FrameMessage(self._streams[camera], picture, "image/jpeg", round(at_s * 1000)))
        self._published += 1
        now_s = time.time()
        self.late_s = max(self.late_s, now_s - at_s)
        self._moments.append((now_s, self._published))
        while self._moments[0][0] < now_s - _REMEMBERED_S:
            self._moments.popleft()
