"""A frame that ends its stream's owner becomes a dead letter; every other frame of every stream gets through, once."""

from collections import defaultdict

import numpy as np
import pytest

from hermes_ray.cluster.ingest.delivery.frame_suspects import FrameSuspects
from hermes_ray.cluster.ingest.outbox import Outbox, QueuedFrame
from hermes_ray.cluster.wire.calls import RESTART_S
from hermes_ray.cluster.wire.contracts import Location
from hermes_ray.cluster.wire.protocol import FramePosition, Mark
from hermes_ray.transport.record import Record
from hermes_ray.video.sampling import FrameSampler

STREAMS = ("a", "b", "c", "d")
FRAMES = 12
PICTURE = np.zeros((2, 2, 3), np.uint8)


def queued(stream: str, number: int) -> QueuedFrame:
    position = FramePosition(STREAMS.index(stream), number, 0)
    record = Record("frames", position.partition, number, number, stream.encode(), b"picture")
    return QueuedFrame(PICTURE, number, position, record, Mark("log", position, FrameSampler(1.0).state()))


class System:
    """Streams of one owner whose process ends whenever it is sent one of the guilty frames."""

    def __init__(self, guilty: set[tuple[str, int]], announces: bool) -> None:
        self._guilty = guilty
        self._announces = announces
        self._now_s = 0.0
        self._suspects = FrameSuspects(lambda: self._now_s)
        self.outbox = Outbox(max_frames=100, max_batch=4)
        self.applied: dict[str, list[int]] = defaultdict(list)
        self.blamed: list[tuple[str, int]] = []
        self.epoch = 1
        for stream in STREAMS:
            self._read(stream, 0)

    @property
    def owner(self) -> Location:
        return Location("memory-0", self.epoch)

    def step(self) -> None:
        """Send what may be sent; then the owner ends, or applies it."""
        batches = self._send()
        pictures = {s: [f.ts_ms for f in frames if f.image is not None] for s, frames in batches.items()}
        if any((stream, number) in self._guilty for stream, numbers in pictures.items() for number in numbers):
            self._fail(batches)
            self._fail(self._send())  # to a process that has ended, before anybody knows of its successor
            self.epoch += 1
            self._now_s += RESTART_S
            return
        for stream, frames in batches.items():
            self._suspects.passed(stream, frames)
            self.outbox.finish(stream)
            self.applied[stream] += pictures[stream]

    def _send(self) -> dict[str, tuple[QueuedFrame, ...]]:
        batches = {}
        for stream in self.outbox.ready(0.0):
            count = self._suspects.sendable(stream, self.owner, self.outbox.head(stream))
            if count:
                batches[stream] = self.outbox.begin(stream, count)
                self._suspects.sent(stream, self.owner, batches[stream])
        return batches

    def _fail(self, batches: dict[str, tuple[QueuedFrame, ...]]) -> None:
        for stream, frames in batches.items():
            blamed = self._suspects.ended(stream, self.owner, frames, announced=self._announces)
            self.blamed += [(stream, frame.ts_ms) for frame in blamed]
            self.outbox.drop(stream)
            self._suspects.dropped(stream)
            self._read(stream, frames[0].ts_ms)

    def _read(self, stream: str, start: int) -> None:
        frames = [queued(stream, number) for number in range(start, FRAMES)]
        self.outbox.add(
            stream, [f.without_image() if self._suspects.is_guilty(stream, f.position) else f for f in frames]
        )


@pytest.mark.parametrize("announces", [True, False])
@pytest.mark.parametrize("guilty", [{("b", 5)}, {("a", 0), ("a", 1)}, {("a", 3), ("b", 3), ("d", 11)}])
def test_guilty_frames_are_found_one_by_one_and_all_others_get_through_in_order(guilty, announces):
    system = System(guilty, announces)
    while any(system.outbox.holds(stream) for stream in STREAMS):
        assert system.epoch < 4 * len(guilty) + 4, "the owner ends for ever"
        system.step()
    assert sorted(system.blamed) == sorted(guilty)
    for stream in STREAMS:
        assert system.applied[stream] == [number for number in range(FRAMES) if (stream, number) not in guilty]


def test_a_stream_is_doubted_from_an_end_until_it_has_got_past_what_was_under_way():
    suspects = FrameSuspects(lambda: 0.0)
    first, second = Location("memory-0", 1), Location("memory-1", 2)
    batch = [queued("a", number) for number in range(4)]
    suspects.sent("a", first, batch)
    suspects.sent("b", first, [])
    assert suspects.doubted == frozenset()
    suspects.ended("a", first, batch, announced=False)
    suspects.ended("b", first, [], announced=False)
    assert suspects.doubted == {"a"}
    suspects.passed("a", batch[:3])
    assert suspects.doubted == {"a"}
    suspects.ended("a", second, batch[2:3], announced=False)
    suspects.passed("a", batch[2:3])
    assert suspects.doubted == {"a"}
    suspects.passed("a", [batch[3].without_image()])  # it was refused, and only its mark is sent
    assert suspects.doubted == frozenset()
