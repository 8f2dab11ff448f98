import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermes_ray.cluster.offsets import AppliedFrames, PartitionProgress
from hermes_ray.cluster.protocol import FramePosition


def test_nothing_read_means_the_start_is_committable():
    assert PartitionProgress(17).committable == 17


def test_a_record_without_frames_is_done_at_once():
    progress = PartitionProgress(0)
    progress.begin(0, frames=0)
    assert progress.committable == 1


def test_the_oldest_open_record_holds_the_commit_back():
    progress = PartitionProgress(10)
    for offset in (10, 11, 15):  # offsets may have gaps
        progress.begin(offset, frames=1)
    progress.applied(11)
    progress.applied(15)
    assert (progress.committable, progress.next_offset) == (10, 16)
    progress.applied(10)
    assert progress.committable == 16


def test_a_segment_is_done_with_its_last_frame():
    progress = PartitionProgress(0)
    progress.begin(0, frames=3)
    progress.applied(0, frames=2)
    assert progress.committable == 0
    progress.applied(0)
    assert progress.committable == 1


def test_misuse_is_refused():
    progress = PartitionProgress(5)
    with pytest.raises(ValueError, match="read already"):
        progress.begin(4, frames=1)
    progress.begin(5, frames=1)
    with pytest.raises(ValueError, match="fewer"):
        progress.applied(5, frames=2)


@given(st.lists(st.integers(0, 3), max_size=30), st.randoms())
def test_committable_is_the_first_offset_not_done_in_any_order_of_finishing(frames, random):
    progress = PartitionProgress(0)
    left = dict(enumerate(frames))
    for offset, count in left.items():
        progress.begin(offset, count)
    pending = [offset for offset, count in left.items() for _ in range(count)]
    random.shuffle(pending)
    for offset in pending:
        progress.applied(offset)
        left[offset] -= 1
        assert progress.committable == min((o for o, count in left.items() if count), default=len(frames))


def positions(*offsets: int, partition: int = 0) -> list[FramePosition]:
    return [FramePosition(partition, offset, 0) for offset in offsets]


def test_a_batch_sent_again_is_all_repeats_and_a_longer_one_in_part():
    applied = AppliedFrames()
    applied.advance("cam", positions(3, 4))
    assert applied.count_repeats("cam", positions(3, 4)) == 2
    assert applied.count_repeats("cam", positions(4, 5, 6)) == 1
    assert applied.count_repeats("cam", positions(5)) == 0


def test_frames_of_one_segment_are_told_apart():
    applied = AppliedFrames()
    applied.advance("cam", [FramePosition(0, 9, 0), FramePosition(0, 9, 12)])
    assert applied.count_repeats("cam", [FramePosition(0, 9, 12), FramePosition(0, 9, 24)]) == 1


def test_streams_and_partitions_are_counted_apart():
    applied = AppliedFrames()
    applied.advance("cam", positions(100))
    assert applied.count_repeats("other", positions(3)) == 0
    assert applied.count_repeats("cam", positions(3, partition=1)) == 0
