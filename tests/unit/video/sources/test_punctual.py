"""Frames on time, or the news that none came."""

import itertools
import queue
import threading

import numpy as np
import pytest

from hermes_ray.errors import SourceError
from hermes_ray.video.frame import Frame
from hermes_ray.video.sources.punctual import punctual


def frame(ts_ms: int) -> Frame:
    return Frame(np.zeros((2, 2, 3), np.uint8), ts_ms)


def times(frames) -> list[int | None]:
    return [None if one is None else one.ts_ms for one in frames]


def test_all_frames_come_in_order_when_there_is_time():
    assert times(punctual(map(frame, range(50)), lambda: None)) == list(range(50))


def test_a_pause_is_told_and_the_frame_behind_it_comes():
    arriving: queue.Queue[Frame | None] = queue.Queue()
    heard = punctual(iter(arriving.get, None), lambda: 0.05)
    arriving.put(frame(1))
    assert next(one for one in heard if one is not None).ts_ms == 1
    assert next(heard) is None
    assert next(heard) is None
    arriving.put(frame(2))
    assert next(one for one in heard if one is not None).ts_ms == 2
    arriving.put(None)
    assert all(one is None for one in heard)


def test_a_fault_of_the_source_comes_behind_its_frames():
    def failing():
        yield from map(frame, range(3))
        raise SourceError("unplugged")

    heard = punctual(failing(), lambda: None)
    assert times(itertools.islice(heard, 3)) == [0, 1, 2]
    with pytest.raises(SourceError, match="unplugged"):
        next(heard)


def test_a_source_waits_for_a_slow_caller():
    taken = []

    def counting():
        for number in itertools.count():
            taken.append(number)
            yield frame(number)

    heard = punctual(counting(), lambda: None)
    for expected in range(5):
        assert next(heard).ts_ms == expected
        assert len(taken) <= expected + 3  # one handed over, one on its way


def test_when_the_caller_leaves_the_source_is_no_longer_read():
    ended = threading.Event()

    def endless():
        try:
            yield from map(frame, itertools.count())
        finally:
            ended.set()

    heard = punctual(endless(), lambda: None)
    next(heard)
    heard.close()
    assert ended.wait(10)
