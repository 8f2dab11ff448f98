import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hermes_ray.cluster.ingest.intake.intake import RecordIntake
from hermes_ray.cluster.ingest.intake.streams import IngestStreams
from hermes_ray.cluster.wire.cursor import StreamCursor
from hermes_ray.cluster.wire.protocol import FramePosition, Resumption
from hermes_ray.config import VideoSettings
from hermes_ray.errors import InvalidStreamId, UndecodableMedia, UnsupportedMedia
from hermes_ray.transport.message import FrameMessage
from hermes_ray.transport.record import Record
from hermes_ray.video.codec import SegmentEncoder, encode_jpeg
from hermes_ray.video.sampling import SamplerState

START_MS = 1_700_000_000_000
FIELD_CASES = Path(__file__).parents[4] / "data" / "field_cases"


def picture(shade: int = 128, height: int = 48, width: int = 64) -> np.ndarray:
    return np.full((height, width, 3), shade, np.uint8)


def record(message: FrameMessage, offset: int = 0) -> Record:
    headers = tuple(message.to_headers())
    return Record("frames", 3, offset, message.ts_ms, message.stream_id.encode(), message.payload, headers)


def jpeg(ts_ms: int, stream_id: str = "cam", offset: int = 0) -> Record:
    return record(FrameMessage(stream_id, encode_jpeg(picture()), "image/jpeg", ts_ms), offset)


def segment(container: str, frames: int, fps: int, ts_ms: int = START_MS) -> FrameMessage:
    encoder = SegmentEncoder(64, 48, fps, container=container)
    payload = encoder.encode([picture(10 * number) for number in range(frames)])
    return FrameMessage("cam", payload, encoder.content_type, ts_ms)


def resumed(at: Resumption, replay_s: float = 0.0, log: str = "topic") -> IngestStreams:
    """The stream "cam" goes on where its owner says."""
    streams = IngestStreams(log)
    streams["cam"].resume(at, replay_s)
    return streams


@pytest.mark.parametrize("container", ["mp4", "h264"])
def test_a_segment_is_sampled_by_capture_time_and_each_frame_knows_its_place(container):
    intake = RecordIntake(VideoSettings(target_fps=2), IngestStreams()).open(
        record(segment(container, frames=8, fps=8), offset=41)
    )
    assert intake.frames_decoded == 8
    assert [frame.ts_ms for frame in intake.frames] == [START_MS, START_MS + 500]
    assert [frame.position for frame in intake.frames] == [(3, 41, 0), (3, 41, 4)]


def test_sampling_goes_on_over_records_and_apart_for_each_stream():
    intake = RecordIntake(VideoSettings(target_fps=1), IngestStreams())
    kept = {stream: [] for stream in ("a", "b")}
    for number in range(8):
        for stream in kept:
            opened = intake.open(jpeg(START_MS + 250 * number, stream, offset=number))
            kept[stream] += [frame.position.offset for frame in opened.frames]
    assert kept == {"a": [0, 4], "b": [0, 4]}


def test_frames_are_shrunk_before_they_travel():
    large = FrameMessage("cam", encode_jpeg(picture(height=96, width=256)), "image/jpeg", START_MS)
    (frame,) = RecordIntake(VideoSettings(max_side_px=64), IngestStreams()).open(record(large)).frames
    assert frame.image.shape == (24, 64, 3)


def test_a_segment_cut_off_in_the_middle_gives_nothing_and_leaves_sampling_as_it_was():
    whole = segment("h264", frames=8, fps=8)
    cut = FrameMessage("cam", whole.payload[: len(whole.payload) * 2 // 3], whole.content_type, whole.ts_ms)
    intake = RecordIntake(VideoSettings(target_fps=2), IngestStreams())
    with pytest.raises(UndecodableMedia):
        intake.open(record(cut))
    # Had the damaged one counted, these frames would be late.
    assert len(intake.open(record(whole)).frames) == 2


def case(name: str, ts_ms: int, written_ms: int, offset: int = 0) -> Record:
    content_type = {".mp4": "video/mp4", ".h264": "video/h264"}[Path(name).suffix]
    message = FrameMessage("cam", (FIELD_CASES / name).read_bytes(), content_type, ts_ms)
    return replace(record(message, offset), timestamp_ms=written_ms)


@pytest.mark.parametrize("name", ["vui_1fps.h264", "vui_45000fps.h264"])
def test_a_frame_rate_that_cannot_be_right_makes_no_later_record_late(name):
    intake = RecordIntake(VideoSettings(target_fps=10), IngestStreams())
    for number in range(3):
        at_ms = START_MS + 2000 * number
        opened = intake.open(case(name, at_ms, written_ms=at_ms + 2050, offset=number))
        assert (opened.frames_late, len(opened.frames)) == (0, 20)
        assert max(frame.ts_ms for frame in opened.frames) <= at_ms + 2000


def test_pictures_that_are_not_to_be_shown_are_counted_and_the_rest_is_taken():
    fragment = case("hevc_open_gop_fragment_1.mp4", START_MS, START_MS + 1000)
    opened = RecordIntake(VideoSettings(target_fps=60), IngestStreams()).open(fragment)
    assert (opened.frames_decoded, opened.frames_undecodable, len(opened.frames)) == (9, 3, 9)


def kept(intake: RecordIntake, records: list[Record]) -> list[tuple[int, int, int]]:
    return [tuple(frame.position) for each in records for frame in intake.open(each).frames]


@pytest.mark.parametrize("seed", range(20))
def test_a_successor_that_reads_again_selects_what_one_that_never_died_would_have(seed):
    chance = random.Random(seed)
    settings = VideoSettings(target_fps=2)
    records = [jpeg(START_MS + 140 * n + chance.randrange(-60, 60), offset=n) for n in range(30)]
    records += [record(segment("h264", frames=8, fps=8, ts_ms=START_MS + 5000 + 1000 * n), 30 + n) for n in range(3)]
    undisturbed = kept(RecordIntake(settings, IngestStreams("topic")), records)

    died = RecordIntake(settings, IngestStreams("topic"))
    marks = [frame.mark for each in records[: chance.randrange(1, 33)] for frame in died.open(each).frames]
    at = StreamCursor().advanced(chance.choice(marks))  # the newest that its owner has
    position = at.positions[3]
    successor = RecordIntake(settings, resumed(Resumption(at.log, at.positions, at.sampler, behind=False)))
    again = records[chance.randrange(position.offset + 1) :]  # from below what the owner has
    assert kept(successor, again) == [frame for frame in undisturbed if frame > tuple(position)]
    assert kept(successor, again) == []


class Clock:
    now_s = START_MS / 1000

    def __call__(self) -> float:
        return self.now_s


def shedding_intake(clock: Clock, at: Resumption | None = None) -> RecordIntake:
    streams = IngestStreams("topic") if at is None else resumed(at, replay_s=30)
    return RecordIntake(VideoSettings(target_fps=2, when_behind="shed", max_lag_s=10), streams, clock)


def test_a_live_stream_that_is_behind_is_thinned_out_until_it_has_caught_up_and_says_how_much():
    clock = Clock()
    intake = shedding_intake(clock)
    shed = {}
    for waited_s in (0, 25, 0):
        first = 40 * len(shed)
        records = [jpeg(START_MS + 500 * n, offset=n) for n in range(first, first + 40)]
        opened = []
        for each in records:
            clock.now_s = each.timestamp_ms / 1000 + waited_s
            opened.append(intake.open(each))
        shed[len(shed)] = (sum(len(each.frames) for each in opened), sum(each.frames_shed for each in opened))
    assert shed == {0: (40, 0), 1: (13, 27), 2: (40, 0)}


def test_a_recovery_thins_out_nothing_that_the_memory_may_have_seen_and_sheds_what_nobody_had_read():
    clock = Clock()
    before = shedding_intake(clock)
    records = [jpeg(START_MS + 500 * n, offset=n) for n in range(400)]
    marks = []
    for each in records[:120]:
        clock.now_s = each.timestamp_ms / 1000
        marks.append(before.open(each).mark)
    at = StreamCursor().advanced(marks[79])  # the snapshot; it died 20 s later and was away for two minutes
    clock.now_s = records[119].timestamp_ms / 1000 + 120
    after = shedding_intake(clock, Resumption(at.log, at.positions, at.sampler, behind=False))
    opened = [after.open(each) for each in records[80:]]
    assert sum(each.frames_shed for each in opened[:40]) == 0
    assert [len(each.frames) for each in opened[60:100]].count(1) == 5  # one in eight


def test_a_stream_that_was_shedding_when_it_died_sheds_the_same_frames_again():
    clock = Clock()
    before = shedding_intake(clock)
    records = [jpeg(START_MS + 500 * n, offset=n) for n in range(100)]
    opened = []
    for each in records:
        clock.now_s = each.timestamp_ms / 1000 + 25
        opened.append(before.open(each))
    at = StreamCursor().advanced(opened[59].mark)
    clock.now_s += 60
    after = shedding_intake(clock, Resumption(at.log, at.positions, at.sampler, behind=False))
    assert kept(after, records[60:]) == [tuple(f.position) for each in opened[60:] for f in each.frames]


def test_what_was_seen_of_another_topic_is_no_reason_to_pass_over_a_frame():
    sampler = SamplerState(2.0, anchor_ms=START_MS, newest_kept_ms=START_MS, newest_seen_ms=START_MS)
    at = Resumption("old", {3: FramePosition(3, 900, 0)}, sampler, behind=False)
    intake = RecordIntake(VideoSettings(), resumed(at, log="new"))
    assert len(intake.open(jpeg(START_MS + 5000, offset=0)).frames) == 1


def test_records_that_were_gone_are_counted_with_the_next_frame_and_never_twice():
    gone = set(range(3, 7))

    def lost(partition: int, start: int, end: int, again: bool) -> int:
        return len(gone & set(range(start, end)))

    intake = RecordIntake(VideoSettings(target_fps=2), IngestStreams("topic"), lost=lost)
    records = [jpeg(START_MS + 500 * n, offset=n) for n in (0, 1, 7, 8)]
    marks = [intake.open(each).mark for each in records]
    assert [mark.lost_records for mark in marks] == [0, 0, 4, 4]

    restored = StreamCursor.from_json(json.loads(json.dumps(StreamCursor().advanced(marks[1]).to_json())))
    at = Resumption(restored.log, restored.positions, restored.sampler, False, 2)
    successor = RecordIntake(VideoSettings(target_fps=2), resumed(at), lost=lost)
    replayed = [mark for each in records if (mark := successor.open(each).mark) is not None]
    assert [mark.lost_records for mark in replayed] == [6, 6]  # two were lost before
    assert StreamCursor().advanced(replayed[-1]).lost_records == 6


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"key": None}, InvalidStreamId),
        ({"value": b"no picture"}, UndecodableMedia),
        ({"headers": (("content-type", b"text/plain"),)}, UnsupportedMedia),
    ],
)
def test_what_is_wrong_with_a_record_is_a_typed_error(change, error):
    good = jpeg(START_MS)
    fields = {name: getattr(good, name) for name in Record.__dataclass_fields__}
    with pytest.raises(error):
        RecordIntake(VideoSettings(), IngestStreams()).open(Record(**{**fields, **change}))
