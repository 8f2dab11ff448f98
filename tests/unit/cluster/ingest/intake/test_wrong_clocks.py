"""What becomes of streams whose cameras, or hosts, have a wrong time: as their ingest worker decides it."""

import json
import random
from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pytest

from hermes_ray.cluster.ingest.intake.intake import Intake, RecordIntake
from hermes_ray.cluster.ingest.intake.streams import IngestStreams
from hermes_ray.cluster.wire.cursor import StreamCursor
from hermes_ray.cluster.wire.protocol import FramePosition, Resumption
from hermes_ray.config import VideoSettings
from hermes_ray.errors import ImplausibleTime
from hermes_ray.transport.dead_letter_topic import REPUBLISHED_FROM
from hermes_ray.transport.message import FrameMessage
from hermes_ray.transport.record import Record
from hermes_ray.video.codec import SegmentEncoder, encode_jpeg

NOW = 1_780_000_000_000
HOUR = 3_600_000
YEAR = 365 * 24 * HOUR
JPEG = encode_jpeg(np.full((48, 64, 3), 128, np.uint8))
SETTINGS = VideoSettings(target_fps=2)
STAMPS = ("broker", "capture time", "none")
"""Whose time a record's timestamp in Kafka is: LogAppendTime or the producer's right clock; the capture time itself."""


def record(offset: int, ts_ms: int, now_ms: int, stamp: str, headers: tuple[tuple[str, bytes], ...] = ()) -> Record:
    message = FrameMessage("cam", JPEG, "image/jpeg", ts_ms)
    published_ms = {"broker": now_ms, "capture time": ts_ms, "none": -1}[stamp]
    return Record("frames", 0, offset, published_ms, b"cam", JPEG, (*message.to_headers(), *headers))


def live(clock_ms: list[int], stamp: str, fps: int = 2, start_ms: int = NOW) -> list[Record]:
    """Pictures at an even rate; ``clock_ms`` is how far the camera's clock is off at each."""
    real = [start_ms + 1000 * n // fps for n in range(len(clock_ms))]
    return [record(n, now + off, now, stamp) for n, (now, off) in enumerate(zip(real, clock_ms, strict=True))]


@dataclass
class Watched:
    kept: list[int] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    refused: list[str] = field(default_factory=list)

    def add(self, intake: Intake) -> None:
        self.kept += [frame.position.offset for frame in intake.frames]
        counts = {"skipped": intake.frames_skipped, "late": intake.frames_late, "doubted": intake.frames_doubted}
        self.left_out.update(counts | {"steps": int(intake.clock_stepped)})


def watch(records: list[Record], intake: RecordIntake | None = None) -> Watched:
    intake = intake or RecordIntake(SETTINGS, IngestStreams("topic"))
    watched = Watched()
    for each in records:
        try:
            watched.add(intake.open(each))
        except ImplausibleTime as error:
            watched.refused.append(str(error))
    return watched


def resumed(at: StreamCursor) -> RecordIntake:
    """The successor of a worker that had come so far, over a snapshot."""
    at = StreamCursor.from_json(json.loads(json.dumps(at.to_json())))
    streams = IngestStreams("topic")
    streams["cam"].resume(Resumption(at.log, at.positions, at.sampler, behind=False), replay_s=30)
    return RecordIntake(SETTINGS, streams)


@pytest.mark.parametrize("stamp", STAMPS)
def test_one_record_ten_years_ahead_costs_only_itself(stamp):
    clock = [0] * 60
    clock[20] = 10 * YEAR
    watched = watch(live(clock, stamp))
    assert watched.kept == [n for n in range(60) if n != 20]
    assert (len(watched.refused), watched.left_out["doubted"]) == ((1, 0) if stamp == "broker" else (0, 1))


@pytest.mark.parametrize("stamp", STAMPS)
def test_times_in_seconds_are_refused_and_named(stamp):
    records = [record(n, (NOW + 50 * n) // 1000, NOW + 50 * n, stamp) for n in range(20)]
    watched = watch(records)
    assert (watched.kept, len(watched.refused)) == ([], 20)
    assert all("seconds instead of milliseconds" in text for text in watched.refused)


@pytest.mark.parametrize("stamp", STAMPS)
@pytest.mark.parametrize("step", [-HOUR, -20 * YEAR], ids=["an hour", "to when it was made"])
def test_a_clock_that_is_set_back_costs_about_three_seconds_and_is_counted(stamp, step):
    watched = watch(live([0] * 70 + [step] * 70, stamp))
    assert watched.kept[:70] == list(range(70))
    lost = 140 - len(watched.kept)
    assert 0 < lost <= 7
    assert watched.left_out == {"skipped": 0, "late": 0, "doubted": lost, "steps": 1}


@pytest.mark.parametrize("stamp", STAMPS)
def test_a_clock_that_is_set_right_again_costs_nothing_after_an_hour_and_three_seconds_after_half_a_century(stamp):
    assert len(watch(live([-HOUR] * 70 + [0] * 70, stamp)).kept) == 140
    watched = watch(live([-50 * YEAR] * 70 + [0] * 70, stamp))
    assert len(watched.kept) >= 133
    assert watched.left_out["steps"] == 1


def test_a_stream_that_begins_in_the_future_comes_back_from_there():
    watched = watch(live([10 * YEAR] + [0] * 60, "capture time"))
    assert len(watched.kept) >= 1 + 60 - 7
    assert watched.kept[-1] == 60


def test_a_wrong_time_in_a_snapshot_of_an_earlier_release_is_left_behind_too():
    wrong = NOW + 10 * YEAR
    sampler = {"target_fps": 2.0, "anchor_ms": wrong, "next_point": 1, "newest_kept_ms": wrong, "newest_seen_ms": wrong}
    counts = {"kept": 9, "skipped": 0, "late": 4000, "divisor": 1, "shed": 0, "shed_in_row": 0}
    stored = {"log": "topic", "positions": [[0, 99, 0]], "sampler": sampler | counts}
    records = [record(100 + n, NOW + 500 * n, NOW + 500 * n, "broker") for n in range(60)]
    watched = watch(records, resumed(StreamCursor.from_json(stored)))
    assert watched.kept[-1] == 159
    assert len(watched.kept) >= 53


def test_a_camera_that_sends_one_picture_in_ten_minutes_is_believed_at_its_second():
    times = [NOW + 600_000 * n for n in range(5)]
    after = [(now, now - 20 * YEAR) for now in (NOW + 600_000 * n for n in range(5, 8))]
    records = [record(n, now, now, "broker") for n, now in enumerate(times)]
    records += [record(5 + n, ts, now, "broker") for n, (now, ts) in enumerate(after)]
    assert watch(records).kept == [0, 1, 2, 3, 4, 6, 7]


@pytest.mark.parametrize("stamp", STAMPS)
@pytest.mark.parametrize("start", [NOW - 11 * YEAR, NOW - 40 * YEAR])
def test_a_recording_of_long_ago_is_seen_as_a_whole(stamp, start):
    # Published ten times as fast as it was taken.
    records = [record(n, start + 500 * n, NOW + 50 * n, stamp) for n in range(200)]
    assert watch(records).kept == list(range(200))


def test_a_recording_of_a_later_year_follows_one_of_an_earlier_however_fast_it_is_published():
    old, new = NOW - 10 * YEAR, NOW - 5 * YEAR
    records = [record(n, old + 500 * n, NOW + 5 * n, "broker") for n in range(100)]
    records += [record(n, new + 500 * n, NOW + 5 * n, "broker") for n in range(100, 200)]
    watched = watch(records)
    assert len(watched.kept) >= 193
    assert watched.kept[-1] == 199


def test_what_a_camera_had_buffered_and_sends_behind_newer_frames_is_no_clock():
    """An hour of segments of ten seconds in two minutes of real time, between live ones."""
    encoder = SegmentEncoder(64, 48, 2, container="mp4")
    payload = encoder.encode([np.full((48, 64, 3), 10 * n, np.uint8) for n in range(20)])
    frames = [(NOW + 10_000 * n, NOW + 10_000 * n) for n in range(12)]
    buffered = [(NOW - 2 * HOUR + 10_000 * n, NOW + 300 * n) for n in range(360)]
    records = []
    for offset, (ts_ms, now_ms) in enumerate(sorted(frames + buffered, key=lambda item: item[1])):
        message = FrameMessage("cam", payload, encoder.content_type, ts_ms)
        records.append(Record("frames", 0, offset, now_ms, b"cam", payload, tuple(message.to_headers())))
    # The sort is stable: at equal times the live one comes first.
    watched = watch(records)
    assert len(watched.kept) == 12 * 20
    assert watched.left_out["steps"] == 0
    assert watched.left_out["doubted"] == 360 * 20


def test_old_records_that_a_person_publishes_again_are_late_and_set_no_clock():
    again = ((REPUBLISHED_FROM, b"0/7"),)
    records = [record(n, NOW + 500 * n, NOW + 500 * n, "capture time") for n in range(10)]
    records += [record(n, NOW - 9 * HOUR + 500 * n, NOW + 5000, "capture time", again) for n in range(10, 60)]
    watched = watch(records)
    assert watched.kept == list(range(10))
    assert (watched.left_out["late"], watched.left_out["steps"]) == (50, 0)


def test_a_small_step_back_is_waited_out_and_its_frames_are_late():
    watched = watch(live([0] * 20 + [-60_000] * 160, "broker"))
    assert watched.left_out["late"] == 120
    assert watched.kept == [*range(20), *range(140, 180)]


def stepping(chance: random.Random, records: int) -> list[Record]:
    """A camera whose clock jumps at random, with single wrong times between."""
    clock, off = [], 0
    for _ in range(records):
        if chance.random() < 0.05:
            off = chance.choice([0, -HOUR, -24 * HOUR, HOUR, -10 * YEAR, 3 * YEAR])
        clock.append(off + (chance.choice([-YEAR, 10 * YEAR]) if chance.random() < 0.05 else 0))
    return live(clock, chance.choice(STAMPS), fps=chance.choice([1, 2, 8]))


@pytest.mark.parametrize("seed", range(30))
def test_a_replay_from_any_moment_decides_the_same(seed):
    chance = random.Random(seed)
    records = stepping(chance, 160)
    intake = RecordIntake(SETTINGS, IngestStreams("topic"))
    cursor, undisturbed, cursors = StreamCursor(), [], [StreamCursor()]
    for each in records:
        try:
            opened = intake.open(each)
        except ImplausibleTime:
            continue
        undisturbed += [frame.position.offset for frame in opened.frames]
        cursor = cursor.advanced(opened.mark)
        cursors.append(cursor)
    at = chance.choice(cursors)
    seen = at.positions.get(0, FramePosition(0, -1, 0)).offset
    again = watch(records[chance.randrange(max(1, seen + 1)) :], resumed(at))
    assert again.kept == [offset for offset in undisturbed if offset > seen]


def test_a_replay_that_begins_within_a_segment_believes_what_was_believed():
    """The rest of a segment is behind its own first frames by less than it is long, whatever the setting."""
    encoder = SegmentEncoder(64, 48, 2, container="mp4")
    payload = encoder.encode([np.full((48, 64, 3), 10 * n, np.uint8) for n in range(20)])
    message = FrameMessage("cam", payload, encoder.content_type, NOW)
    segment = Record("frames", 0, 0, NOW, b"cam", payload, tuple(message.to_headers()))
    settings = VideoSettings(target_fps=2, max_clock_skew_s=1)
    whole = RecordIntake(settings, IngestStreams("topic")).open(segment)
    at = StreamCursor().advanced(whole.frames[11].mark)
    streams = IngestStreams("topic")
    streams["cam"].resume(Resumption(at.log, at.positions, at.sampler, behind=False), replay_s=30)
    rest = RecordIntake(settings, streams).open(segment)
    assert [frame.position for frame in rest.frames] == [frame.position for frame in whole.frames[12:]]


def test_frames_of_a_time_before_the_step_are_not_taken_for_newer_ones_after_it():
    records = live([0] * 10 + [-HOUR] * 20, "broker")
    intake = RecordIntake(SETTINGS, IngestStreams("topic"))
    frames = [frame for each in records for frame in intake.open(each).frames]
    cursor = StreamCursor()
    for frame in frames:
        steps = frame.mark.sampler.clock_steps
        assert not cursor.is_past([frame.ts_ms], [steps])
        cursor = cursor.advanced(frame.mark)
        assert cursor.is_past([frame.ts_ms], [steps])
    assert cursor.is_past([frames[0].ts_ms + 2 * HOUR], [0])


def test_a_record_whose_time_cannot_be_right_starts_no_stream():
    intake = RecordIntake(SETTINGS, IngestStreams("topic"))
    with pytest.raises(ImplausibleTime):
        intake.check(record(0, NOW // 1000, NOW, "broker"))
    intake.check(record(0, NOW, NOW, "broker"))
