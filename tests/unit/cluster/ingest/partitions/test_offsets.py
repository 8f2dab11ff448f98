import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermes_ray.cluster.ingest.partitions.offsets import AwaitedFrame, PartitionProgress
from hermes_ray.cluster.wire.cursor import StreamCursor
from hermes_ray.cluster.wire.protocol import FramePosition, Mark
from hermes_ray.video.sampling import SamplerState


def awaited(offset: int, last: int = 0) -> AwaitedFrame:
    return AwaitedFrame("cam", FramePosition(0, offset, last))


def up_to(offset: int, frame: int = 0):
    """Durable up to a frame."""
    return lambda frame_: frame_.position <= FramePosition(0, offset, frame)


def test_nothing_read_means_the_start_is_committable():
    assert PartitionProgress(17).committable == 17


def test_a_record_that_is_applied_and_in_no_snapshot_holds_the_commit_back():
    progress = PartitionProgress(10)
    for offset in (10, 11, 15):  # offsets may have gaps
        progress.begin(offset, awaited(offset))
    assert (progress.committable, progress.next_offset) == (10, 16)
    progress.settle(up_to(11))
    assert progress.committable == 15
    progress.settle(up_to(15))
    assert progress.committable == 16


def test_a_segment_is_safe_with_its_last_frame():
    progress = PartitionProgress(0)
    progress.begin(0, awaited(0, last=5))
    progress.settle(up_to(0, frame=4))
    assert progress.committable == 0
    progress.settle(up_to(0, frame=5))
    assert progress.committable == 1


def test_an_unusable_record_is_safe_with_its_dead_letter_and_not_before():
    progress = PartitionProgress(0)
    progress.begin(0, None)
    progress.settle(up_to(99))
    assert progress.committable == 0
    progress.done(0)
    assert progress.committable == 1


def test_misuse_is_refused():
    progress = PartitionProgress(5)
    with pytest.raises(ValueError, match="read already"):
        progress.begin(4, awaited(4))


@given(st.lists(st.integers(0, 30), min_size=1, max_size=20))
def test_committable_is_the_first_offset_that_is_not_safe(snapshots):
    progress = PartitionProgress(0)
    for offset in range(20):
        progress.begin(offset, awaited(offset))
    for position in snapshots:
        progress.settle(up_to(position))
    assert progress.committable == min(max(snapshots) + 1, 20)


def mark(offset: int, frame: int = 0, partition: int = 0, log: str = "topic") -> Mark:
    return Mark(log, FramePosition(partition, offset, frame), SamplerState(2.0, anchor_ms=offset))


def positions(*offsets: int, partition: int = 0) -> list[FramePosition]:
    return [FramePosition(partition, offset, 0) for offset in offsets]


def test_a_batch_sent_again_is_all_repeats_and_a_longer_one_in_part():
    cursor = StreamCursor().advanced(mark(4))
    assert cursor.repeats("topic", positions(3, 4)) == 2
    assert cursor.repeats("topic", positions(4, 5, 6)) == 1
    assert cursor.repeats("topic", positions(5)) == 0


def test_frames_of_one_segment_are_told_apart():
    cursor = StreamCursor().advanced(mark(9, frame=12))
    assert cursor.repeats("topic", [FramePosition(0, 9, 12), FramePosition(0, 9, 24)]) == 1


def test_partitions_are_counted_apart():
    cursor = StreamCursor().advanced(mark(100)).advanced(mark(5, partition=1))
    assert cursor.repeats("topic", positions(6, partition=1)) == 0
    assert cursor.repeats("topic", positions(5, partition=1)) == 1
    assert cursor.repeats("topic", positions(100)) == 1


def test_a_mark_that_comes_late_takes_nothing_back():
    cursor = StreamCursor().advanced(mark(8))
    assert cursor.advanced(mark(7)) == cursor


def test_offsets_of_another_topic_under_the_same_name_mean_nothing():
    cursor = StreamCursor().advanced(mark(100, log="old"))
    assert cursor.repeats("new", positions(3)) == 0
    assert cursor.advanced(mark(3, log="new")).positions == {0: FramePosition(0, 3, 0)}


def test_a_cursor_comes_back_from_json():
    cursor = StreamCursor().advanced(mark(2**40)).advanced(mark(5, frame=3, partition=1))
    assert StreamCursor.from_json(json.loads(json.dumps(cursor.to_json()))) == cursor
    assert StreamCursor.from_json(StreamCursor().to_json()) == StreamCursor()


def test_a_cursor_of_an_earlier_release_is_read():
    before = StreamCursor().advanced(mark(7)).to_json()
    del before["lost_records"]
    for field in ("divisor", "shed", "shed_in_row"):
        del before["sampler"][field]
    assert StreamCursor.from_json(before) == StreamCursor().advanced(mark(7))


def test_records_that_are_gone_hold_the_commit_back_until_told():
    progress = PartitionProgress(5)
    gap = progress.skip(20)
    progress.begin(20, awaited(20))
    progress.settle(up_to(99))
    assert (progress.committable, progress.next_offset) == (5, 21)
    progress.done(gap)
    assert progress.committable == 21


def test_offsets_without_a_record_are_passed_over_and_never_back():
    progress = PartitionProgress(5)
    progress.begin(5, None)
    progress.pass_over(9)
    assert (progress.next_offset, progress.committable) == (9, 5)
    progress.done(5)
    progress.pass_over(7)
    assert (progress.next_offset, progress.committable) == (9, 9)
