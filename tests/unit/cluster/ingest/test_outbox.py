from collections import defaultdict
from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hermes_ray.cluster.ingest.outbox import Outbox, QueuedFrame
from hermes_ray.cluster.wire.protocol import FramePosition, Mark
from hermes_ray.transport.record import Record
from hermes_ray.video.sampling import SamplerState

IMAGE = np.zeros((2, 2, 3), np.uint8)


def frame(offset: int, number: int = 0, partition: int = 0) -> QueuedFrame:
    record = Record("frames", partition, offset, 0, b"cam", b"x")
    position = FramePosition(partition, offset, number)
    return QueuedFrame(IMAGE, offset, position, record, Mark("topic", position, SamplerState(2.0)))


def bare_mark(offset: int) -> QueuedFrame:
    return replace(frame(offset), image=None)


def offsets(frames: tuple[QueuedFrame, ...]) -> list[int]:
    return [each.position.offset for each in frames]


def test_a_stream_has_one_batch_under_way_at_a_time():
    outbox = Outbox(max_frames=10, max_batch=2)
    outbox.add("cam", [frame(0), frame(1), frame(2)])
    assert offsets(outbox.begin("cam")) == [0, 1]
    assert outbox.ready(now_s=0) == []
    outbox.finish("cam")
    assert outbox.ready(now_s=0) == ["cam"]
    assert offsets(outbox.begin("cam")) == [2]


def test_frames_count_until_their_batch_is_finished():
    outbox = Outbox(max_frames=3, max_batch=2)
    outbox.add("cam", [frame(0), frame(1)])
    assert outbox.free == 1
    outbox.begin("cam")
    assert outbox.free == 1
    outbox.finish("cam")
    assert (outbox.free, outbox.frames) == (3, 0)


def test_a_segment_larger_than_the_room_is_taken_whole_and_stops_reading():
    outbox = Outbox(max_frames=2, max_batch=2)
    outbox.add("cam", [frame(0, number) for number in range(5)])
    assert outbox.free == -3


def test_a_postponed_batch_goes_again_first_and_not_before_its_time():
    outbox = Outbox(max_frames=10, max_batch=2)
    outbox.add("cam", [frame(0), frame(1), frame(2)])
    outbox.begin("cam")
    outbox.postpone("cam", not_before_s=5.0)
    assert outbox.ready(now_s=4.9) == []
    assert outbox.ready(now_s=5.0) == ["cam"]
    assert offsets(outbox.begin("cam")) == [0, 1]


def test_a_slow_stream_does_not_hold_up_another():
    outbox = Outbox(max_frames=10, max_batch=2)
    outbox.add("slow", [frame(0), frame(1)])
    outbox.add("quick", [frame(2)])
    outbox.begin("slow")
    assert outbox.ready(now_s=0) == ["quick"]


def test_discarding_takes_the_rest_of_the_same_record_and_leaves_later_records():
    outbox = Outbox(max_frames=10, max_batch=2)
    outbox.add("cam", [frame(0, 0), frame(0, 1), frame(0, 2), frame(1)])
    outbox.begin("cam")
    assert [each.position for each in outbox.discard("cam")] == [(0, 0, 0), (0, 0, 1), (0, 0, 2)]
    assert offsets(outbox.begin("cam")) == [1]
    assert outbox.frames == 1


def test_dropping_a_stream_forgets_what_waits_and_what_is_under_way_and_nothing_of_others():
    outbox = Outbox(max_frames=10, max_batch=1)
    outbox.add("cam", [frame(0), frame(1), frame(2)])
    outbox.add("other", [frame(7, partition=1)])
    outbox.begin("cam")
    outbox.drop("cam")
    assert outbox.frames == 1
    assert not outbox.holds("cam")
    assert outbox.ready(now_s=0) == ["other"]
    outbox.drop("cam")


steps = st.lists(st.tuples(st.sampled_from(["add", "begin", "finish", "postpone"]), st.sampled_from("ab")), max_size=60)


@given(steps, st.integers(1, 4))
def test_every_frame_is_finished_once_and_in_order_whatever_is_postponed(actions, max_batch):
    outbox = Outbox(max_frames=8, max_batch=max_batch)
    added: defaultdict[str, list[int]] = defaultdict(list)
    finished: defaultdict[str, list[int]] = defaultdict(list)
    under_way: set[str] = set()
    for number, (action, stream) in enumerate(actions):
        if action == "add":
            outbox.add(stream, [frame(2 * number), frame(2 * number + 1)])
            added[stream] += [2 * number, 2 * number + 1]
        elif action == "begin" and stream in outbox.ready(now_s=0):
            outbox.begin(stream)
            under_way.add(stream)
        elif action == "finish" and stream in under_way:
            finished[stream] += offsets(outbox.finish(stream))
            under_way.remove(stream)
        elif action == "postpone" and stream in under_way:
            outbox.postpone(stream, not_before_s=0)
            under_way.remove(stream)
    for stream in under_way:
        finished[stream] += offsets(outbox.finish(stream))
    while waiting := outbox.ready(now_s=0):
        outbox.begin(waiting[0])
        finished[waiting[0]] += offsets(outbox.finish(waiting[0]))
    assert finished == added
    assert outbox.frames == 0


def test_streams_whose_owner_is_slow_leave_room_for_the_others():
    outbox = Outbox(max_frames=12, max_batch=4)
    taken = {"slow-1": 0, "slow-2": 0}
    for offset in range(20):
        for stream in taken:
            if outbox.has_room_for(stream, streams=3):
                outbox.add(stream, [frame(offset)])
                taken[stream] += 1
    assert taken == {"slow-1": 4, "slow-2": 4}
    assert outbox.free == 4 and outbox.has_room_for("quick", streams=3)


def test_the_oldest_frame_of_a_stream_is_that_under_way():
    outbox = Outbox(max_frames=10, max_batch=1)
    assert outbox.oldest_ms("cam") is None
    outbox.add("cam", [frame(7), frame(8)])
    outbox.begin("cam")
    assert outbox.oldest_ms("cam") == 7
    outbox.finish("cam")
    assert outbox.oldest_ms("cam") == 8


def test_a_mark_without_frames_waits_until_nothing_else_of_its_stream_is_on_its_way():
    outbox = Outbox(max_frames=10, max_batch=2)
    outbox.add("cam", [frame(0)])
    outbox.note("cam", bare_mark(1))
    outbox.note("cam", bare_mark(2))
    outbox.queue_notes()
    assert offsets(outbox.begin("cam")) == [0]
    outbox.finish("cam")
    outbox.queue_notes()
    assert offsets(outbox.begin("cam")) == [2]
    outbox.finish("cam")
    outbox.queue_notes()
    assert not outbox.holds("cam")


def test_a_mark_without_frames_is_out_of_date_once_frames_follow_it_or_the_stream_is_read_again():
    outbox = Outbox(max_frames=10, max_batch=2)
    outbox.note("cam", bare_mark(0))
    outbox.add("cam", [frame(1)])
    outbox.note("other", bare_mark(0))
    outbox.drop("other")
    outbox.begin("cam")
    outbox.finish("cam")
    outbox.queue_notes()
    assert not outbox.holds("cam")
    assert not outbox.holds("other")
