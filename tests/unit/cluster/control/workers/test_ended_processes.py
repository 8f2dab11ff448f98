"""What others may have of a worker whose process has ended, and how far a frame gets that ends processes."""

from collections import defaultdict

import numpy as np
import pytest

from hermes_ray.cluster.control.streams.directory import EpochClock, StreamDirectory
from hermes_ray.cluster.control.workers.ended_processes import SOON_S, EndedProcesses
from hermes_ray.cluster.ingest.delivery.frame_suspects import FrameSuspects
from hermes_ray.cluster.ingest.outbox import Outbox, QueuedFrame
from hermes_ray.cluster.wire.protocol import FramePosition, Mark
from hermes_ray.transport.record import Record
from hermes_ray.video.sampling import FrameSampler

STREAMS = ("a", "b", "c")


class HeldClock:
    """Seconds that a test moves."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def ended(ends: EndedProcesses, worker: str, *, announced: bool = False, doubted: frozenset[str] = frozenset()) -> None:
    ends.ended(worker, STREAMS, announced=announced, doubted=doubted)


def test_all_streams_are_free_after_an_end_without_a_word():
    ends = EndedProcesses(HeldClock())
    assert ends.free("memory-0", STREAMS) == []
    ended(ends, "memory-0")
    assert ends.free("memory-0", STREAMS) == ["a", "b", "c"]


def test_no_stream_is_free_where_the_engine_said_that_it_failed():
    ends = EndedProcesses(HeldClock())
    ended(ends, "memory-0", announced=True)
    assert ends.free("memory-0", STREAMS) == []


def test_what_an_end_brought_and_what_ended_soon_after_waits():
    clock = HeldClock()
    ends = EndedProcesses(clock)
    ends.came(["b"])
    clock.now_s += SOON_S - 1
    ends.came(["c"])
    clock.now_s += 2
    ended(ends, "memory-1")
    assert ends.free("memory-1", STREAMS) == ["a", "b"]


def test_a_stream_whose_frames_have_not_got_through_since_an_end_waits_however_late_the_next_end_comes():
    ends = EndedProcesses(HeldClock())
    ended(ends, "memory-1", doubted=frozenset({"c", "of-another-worker"}))
    assert ends.free("memory-1", STREAMS) == ["a", "b"]


def test_a_process_that_ends_as_soon_as_it_has_its_streams_back_keeps_them():
    clock = HeldClock()
    ends = EndedProcesses(clock)
    ended(ends, "memory-0")
    clock.now_s += 60
    assert ends.back("memory-0", STREAMS) is not None
    assert ends.back("memory-0", STREAMS) is None
    clock.now_s += 1
    ended(ends, "memory-0")
    assert ends.free("memory-0", STREAMS) == []


def test_a_next_process_that_ends_before_it_works_changes_nothing():
    clock = HeldClock()
    ends = EndedProcesses(clock)
    ended(ends, "memory-0")
    clock.now_s += 5
    ended(ends, "memory-0", announced=True)
    assert (ends.free("memory-0", STREAMS), ends.age_s("memory-0")) == (["a", "b", "c"], 5)


class System:
    """Four workers, eight streams, and a frame that ends whatever process it is sent to."""

    FRAMES = 12
    GUILTY = ("cam-5", 4)

    def __init__(self, *, announces: bool) -> None:
        self._announces = announces
        self.clock = HeldClock()
        self._ends = EndedProcesses(self.clock)
        self._suspects = FrameSuspects(self.clock)
        self.directory = StreamDirectory(EpochClock(lambda: 1))
        self.outbox = Outbox(max_frames=1000, max_batch=4)
        self.applied: dict[str, list[int]] = defaultdict(list)
        self.blamed: list[tuple[str, int]] = []
        self.ended: list[str] = []
        for number in range(4):
            self.directory.admit(f"memory-{number}", None)
        for number in range(8):
            self.directory.place(f"cam-{number}")
            self._read(f"cam-{number}", 0)

    def step(self) -> None:
        """Everything that may be sent is sent; then processes end, or apply it."""
        batches = self._send()
        fatal = {
            self.directory.locate(stream).worker
            for stream, frames in batches.items()
            if any(f.image is not None and (stream, f.ts_ms) == self.GUILTY for f in frames)
        }
        for stream, frames in batches.items():
            owner = self.directory.locate(stream)
            if owner.worker in fatal:
                blamed = self._suspects.ended(stream, owner, frames, announced=self._announces)
                self.blamed += [(stream, frame.ts_ms) for frame in blamed]
                self.outbox.drop(stream)
                self._suspects.dropped(stream)
            else:
                self._suspects.passed(stream, frames)
                self.outbox.finish(stream)
                self.applied[stream] += [frame.ts_ms for frame in frames if frame.image is not None]
        for worker in fatal:
            self._end(worker)
        self.clock.now_s += 30  # of loading: longer than any suspicion that only time ends

    def _end(self, worker: str) -> None:
        self.ended.append(worker)
        streams = self.directory.streams_of(worker)
        self.directory.describe(worker, up=False, settled=False, leaving=False)
        # What ingest told before this end.
        self._ends.ended(worker, streams, announced=self._announces, doubted=self._told)
        free = self._ends.free(worker, streams)
        for stream, target in self.directory.spread(worker, free).items():
            self.directory.move(stream, target)
        self._ends.came(free)
        self._ends.back(worker, self.directory.streams_of(worker))
        self.directory.admit(worker, None)
        for stream in streams:
            self._read(stream, len(self.applied[stream]))

    def _send(self) -> dict[str, tuple[QueuedFrame, ...]]:
        self._told = self._suspects.doubted
        batches = {}
        for stream in self.outbox.ready(0.0):
            owner = self.directory.locate(stream)
            count = self._suspects.sendable(stream, owner, self.outbox.head(stream))
            if count:
                batches[stream] = self.outbox.begin(stream, count)
                self._suspects.sent(stream, owner, batches[stream])
        return batches

    def _read(self, stream: str, start: int) -> None:
        if start >= self.FRAMES:
            return
        frames = []
        for number in range(start, self.FRAMES):
            position = FramePosition(int(stream[-1]), number, 0)
            record = Record("frames", position.partition, number, number, stream.encode(), b"picture")
            mark = Mark("log", position, FrameSampler(1.0).state())
            picture = np.zeros((2, 2, 3), np.uint8)
            frames.append(QueuedFrame(picture, number, position, record, mark))
        self.outbox.drop(stream)
        guilty = self._suspects.is_guilty
        self.outbox.add(stream, [f.without_image() if guilty(stream, f.position) else f for f in frames])


@pytest.mark.parametrize(("announces", "ends", "workers"), [(True, 2, 1), (False, 3, 2)])
def test_a_frame_that_ends_processes_does_not_go_from_worker_to_worker(announces, ends, workers):
    system = System(announces=announces)
    for _ in range(40):
        system.step()
    assert system.blamed == [System.GUILTY]
    assert (len(system.ended), len(set(system.ended))) == (ends, workers)
    for stream, numbers in system.applied.items():
        assert numbers == [number for number in range(System.FRAMES) if (stream, number) != System.GUILTY]
    assert len(system.applied) == 8
