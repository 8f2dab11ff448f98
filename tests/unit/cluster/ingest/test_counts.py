"""Streams that send and lose every frame are noticed; those that are merely out of order now and then are not."""

from typing import Any

import pytest

from hermes_ray.cluster.ingest.counts import StreamCounts
from hermes_ray.cluster.ingest.intake.intake import Intake
from hermes_ray.cluster.wire.protocol import FramePosition
from hermes_ray.transport.record import Record

TIMELY = [{"frames_skipped": 1}, {"frames_shed": 1}]


def take(counts: StreamCounts, stream: str, records: int, **what: Any) -> None:
    for offset in range(records):
        record = Record("frames", 0, offset, 0, stream.encode(), b"x")
        counts.opened(record, Intake(stream, FramePosition(0, offset, 0), frames_decoded=1, **what))


@pytest.mark.parametrize("reason", ["frames_late", "frames_doubted"])
def test_a_stream_of_which_nothing_is_kept_is_left_out(reason: str):
    counts = StreamCounts()
    take(counts, "front-door", 19, **{reason: 1})
    assert counts.left_out == 0
    take(counts, "front-door", 1, **{reason: 1})
    assert counts.left_out == 1


@pytest.mark.parametrize("what", TIMELY, ids=[*map(str, TIMELY)])
def test_one_frame_in_time_ends_it(what: dict[str, int]):
    counts = StreamCounts()
    take(counts, "front-door", 30, frames_late=1)
    take(counts, "yard", 30, frames_late=1)
    take(counts, "yard", 1, **what)
    assert counts.left_out == 1


def test_a_segment_that_is_late_in_part_is_in_time():
    counts = StreamCounts()
    take(counts, "front-door", 30, frames_late=3, frames_skipped=1)
    assert counts.left_out == 0


def test_records_without_a_frame_that_counts_say_nothing():
    counts = StreamCounts()
    take(counts, "front-door", 30)
    assert counts.left_out == 0
