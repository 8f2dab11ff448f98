import pickle

from hermes_ray.errors import OffsetOutOfRange, UnreadableRecord


def test_retention_gap_crosses_a_process_border_with_its_numbers():
    gap = pickle.loads(pickle.dumps(OffsetOutOfRange("frames", 3, 10, 25, 90)))
    assert (gap.topic, gap.partition, gap.offset, gap.beginning, gap.end) == ("frames", 3, 10, 25, 90)
    assert str(gap) == "frames[3] holds offsets 25 to 90, not 10"


def test_unreadable_record_crosses_a_process_border_with_its_place():
    stuck = pickle.loads(pickle.dumps(UnreadableRecord("frames", 3, 10, "header name is not UTF-8")))
    assert (stuck.topic, stuck.partition, stuck.offset) == ("frames", 3, 10)
    assert "header name is not UTF-8" in str(stuck)
