from hermes_ray.cluster.ingest.intake.shedding import Shedding
from hermes_ray.config import VideoSettings

NOW_MS = 1_760_000_000_000
SHED = Shedding(VideoSettings(when_behind="shed", max_lag_s=10, max_segment_seconds=60))


def divisor(waited_s: float, capture_s: float = 0.1, present: int = 1, shedding: Shedding = SHED) -> int:
    """Of a record that waited so long in Kafka and was published so long after its capture."""
    published_ms = NOW_MS - round(waited_s * 1000)
    return shedding.divisor(published_ms - round(capture_s * 1000), published_ms, NOW_MS, present)


def test_a_stream_gets_slower_the_further_it_is_behind_and_never_stops():
    assert [divisor(s) for s in (0, 9, 10, 11, 25, 79, 81, 86_400)] == [1, 1, 1, 2, 3, 8, 8, 8]


def test_a_stream_that_sheds_keeps_all_again_only_when_it_has_well_caught_up():
    assert [divisor(s, present=4) for s in (35, 9, 6, 5, 0)] == [4, 2, 2, 1, 1]


def test_a_recording_with_capture_times_of_long_ago_loses_nothing():
    assert divisor(3600, capture_s=86_400) == 1
    assert divisor(3600, capture_s=-86_400) == 1


def test_the_first_frame_of_a_long_segment_is_not_taken_for_a_recording():
    assert divisor(15, capture_s=60) == 2


def test_a_record_without_a_timestamp_is_never_behind():
    assert SHED.divisor(NOW_MS - 60_000, -1, NOW_MS, 1) == 1


def test_under_lag_nothing_is_ever_left_out():
    lag = Shedding(VideoSettings(when_behind="lag", max_lag_s=10))
    assert divisor(3600, shedding=lag) == divisor(3600, present=5, shedding=lag) == lag.replayed(5) == 1
