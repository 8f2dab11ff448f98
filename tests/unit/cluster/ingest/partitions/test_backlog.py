from hermes_ray.cluster.ingest.partitions.backlog import Backlog
from hermes_ray.transport.record import Record


def record(partition: int, timestamp_ms: int) -> Record:
    return Record("frames", partition, 0, timestamp_ms, b"cam", b"x")


def test_records_wait_since_the_newest_one_read():
    backlog = Backlog()
    backlog.read(record(0, 1000))
    backlog.read(record(0, 2000))
    backlog.update({0: 5, 1: 0}, now_ms=9000)
    assert backlog.since_ms([0]) == 2000
    assert backlog.since_ms([1]) is None
    assert backlog.since_ms([0, 1]) == 2000


def test_a_record_after_a_long_silence_has_not_been_waiting_as_long_as_the_silence():
    backlog = Backlog()
    backlog.read(record(0, 1000))
    backlog.update({0: 0}, now_ms=600_000)
    backlog.update({0: 1}, now_ms=600_500)
    assert backlog.since_ms([0]) == 600_000


def test_the_wait_grows_while_nothing_is_read():
    backlog = Backlog()
    backlog.update({0: 0}, now_ms=1000)
    for now_ms in range(2000, 9000, 500):
        backlog.update({0: 3}, now_ms)
        assert backlog.since_ms([0]) == 1000


def test_what_is_read_again_waits_since_its_own_time():
    backlog = Backlog()
    backlog.read(record(0, 5000))
    backlog.update({0: 0}, now_ms=6000)
    backlog.rewound(0)
    backlog.read(record(0, 2000))
    backlog.update({0: 30}, now_ms=7000)
    assert backlog.since_ms([0]) == 2000


def test_of_a_partition_that_is_not_read_any_more_nothing_is_claimed():
    backlog = Backlog()
    backlog.read(record(0, 1000))
    backlog.update({0: 4}, now_ms=2000)
    backlog.update({1: 4}, now_ms=3000)
    assert backlog.since_ms([0, 1]) is None


def test_how_long_records_wait_is_told_in_seconds_and_only_where_it_is_known():
    backlog = Backlog()
    backlog.read(record(0, 2000))
    backlog.update({0: 5, 1: 0, 2: 7}, now_ms=9000)
    assert backlog.waiting_s(9500) == {0: 7.5, 1: 0.0}
    assert backlog.waiting_s(69_500) == {0: 67.5, 1: 0.0}
