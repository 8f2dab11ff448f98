"""From frames to messages: nothing lost, every segment decodable on its own."""

from concurrent.futures import Future
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hermes_ray.cli.publish.packing import Encoding, MessagePacker, publish_all
from hermes_ray.errors import MediaTooLarge, PublishFailed, SourceError
from hermes_ray.video.codec import DecodeLimits, decode
from hermes_ray.video.frame import Frame
from hermes_ray.video.sources.file import FileSource
from hermes_ray.video.sources.opening import open_source
from hermes_ray.video.sources.simulated import SimulatedCamera
from hermes_ray.video.sources.watched import excerpt

START_MS = 1_700_000_000_000
TIMELAPSE = Path(__file__).parents[2] / "data" / "field_cases" / "timelapse_20s.mp4"


def frames_at(*offsets_ms: int, height: int = 48, width: int = 64) -> list[Frame]:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (height, width, 3), dtype=np.uint8)
    return [Frame(image, START_MS + offset_ms) for offset_ms in offsets_ms]


def frames(count: int, *, fps: float = 5.0, height: int = 48, width: int = 64) -> list[Frame]:
    return frames_at(*(round(index * 1000 / fps) for index in range(count)), height=height, width=width)


def decoded(messages, limits: DecodeLimits | None = None) -> list[Frame]:
    """What a consumer makes of the messages; it refuses those beyond its limits."""
    return [
        frame
        for message in messages
        for frame in decode(message.payload, message.content_type, message.ts_ms, limits or DecodeLimits())
    ]


def decoded_times(messages, limits: DecodeLimits | None = None) -> list[int]:
    return [frame.ts_ms for frame in decoded(messages, limits)]


def check_all_arrive(source: list[Frame], packer: MessagePacker, limits: DecodeLimits | None = None) -> list[int]:
    """Every frame reaches a consumer with its own capture time; returns the frames in each message."""
    packed = list(packer.pack(source))
    assert decoded_times((message for message, _ in packed), limits) == [frame.ts_ms for frame in source]
    assert [message.seq for message, _ in packed] == list(range(len(packed)))
    assert sum(count for _, count in packed) == len(source)
    return [count for _, count in packed]


@pytest.mark.parametrize("encoding", list(Encoding))
def test_every_frame_arrives_with_its_capture_time(encoding):
    check_all_arrive(frames(12), MessagePacker("cam", encoding, fps=5.0))


@pytest.mark.parametrize("encoding", list(Encoding))
def test_a_timelapse_reaches_the_consumer_with_its_times(encoding):
    counts = check_all_arrive(frames(10, fps=1 / 20), MessagePacker("cam", encoding, fps=5.0))
    assert counts == [1] * 10


@pytest.mark.parametrize("encoding", [Encoding.MP4, Encoding.H264])
@pytest.mark.parametrize("outage_ms", [900, 70_000, 90_000_000])
def test_frames_after_an_outage_begin_a_segment_with_their_own_time(encoding, outage_ms):
    before, after = (0, 200, 400), (0, 200, 400, 600, 800)
    source = frames_at(*before, *(400 + outage_ms + offset for offset in after))
    assert check_all_arrive(source, MessagePacker("cam", encoding, fps=5.0)) == [3, 5]


def test_a_slow_camera_keeps_its_times_in_raw_segments():
    check_all_arrive(frames(7, fps=1.7), MessagePacker("cam", Encoding.H264, fps=5.0, segment_seconds=3))


@pytest.mark.parametrize("encoding", [Encoding.MP4, Encoding.H264])
@pytest.mark.parametrize(
    "limits", [DecodeLimits(max_frames=7), DecodeLimits(max_seconds=1.5)], ids=["frames", "seconds"]
)
def test_segments_are_no_longer_than_the_consumer_takes(encoding, limits):
    packer = MessagePacker("cam", encoding, fps=5.0, segment_seconds=30, limits=limits)
    assert max(check_all_arrive(frames(40), packer, limits)) == 7


def test_a_slow_camera_fills_segments_up_to_the_consumers_limit():
    limits = DecodeLimits(max_seconds=1.5)
    packer = MessagePacker("cam", Encoding.MP4, fps=5.0, segment_seconds=30, limits=limits)
    assert check_all_arrive(frames_at(*range(0, 4200, 700)), packer, limits) == [2, 2, 2]


@pytest.mark.parametrize("max_record_bytes", [None, 20_000], ids=["payload", "record"])
def test_a_segment_of_too_many_bytes_is_cut(max_record_bytes):
    rng = np.random.default_rng(0)
    noise = [Frame(rng.integers(0, 255, (96, 128, 3), dtype=np.uint8), frame.ts_ms) for frame in frames(5)]
    limits = DecodeLimits() if max_record_bytes else DecodeLimits(max_encoded_bytes=20_000)
    packer = MessagePacker("cam", Encoding.MP4, fps=5.0, limits=limits, max_record_bytes=max_record_bytes)
    packed = list(packer.pack(noise))
    assert len(packed) > 1
    assert decoded_times((message for message, _ in packed), limits) == [frame.ts_ms for frame in noise]
    assert max(len(message.payload) for message, _ in packed) <= 20_000


def test_a_single_picture_of_too_many_bytes_is_refused_with_the_remedy():
    packer = MessagePacker("cam", Encoding.JPEG, fps=5.0, limits=DecodeLimits(max_encoded_bytes=1024))
    with pytest.raises(MediaTooLarge, match=r"smaller pictures"):
        list(packer.pack(frames(1, height=96, width=128)))


@pytest.mark.parametrize("encoding", list(Encoding))
@pytest.mark.parametrize(("height", "width"), [(75, 129), (300, 20), (90, 90)])
def test_pictures_are_no_larger_than_the_consumer_takes(encoding, height, width):
    limits = DecodeLimits(max_pixels=5000)
    packer = MessagePacker("cam", encoding, fps=5.0, max_side_px=10_000, limits=limits)
    messages = [message for message, _ in packer.pack(frames(2, height=height, width=width))]
    for frame in decoded(messages, limits):
        assert 4500 < frame.width * frame.height <= 5000
        assert frame.width / frame.height == pytest.approx(width / height, rel=0.1)


@given(st.integers(2, 300), st.integers(2, 300), st.integers(1024, 8000))
@settings(max_examples=50, deadline=None)
def test_a_picture_of_any_shape_fits(height, width, max_pixels):
    limits = DecodeLimits(max_pixels=max_pixels)
    packer = MessagePacker("cam", Encoding.JPEG, fps=5.0, max_side_px=10_000, limits=limits)
    picture = Frame(np.zeros((height, width, 3), np.uint8), START_MS)
    (frame,) = decoded((message for message, _ in packer.pack([picture])), limits)
    assert max(frame.width, frame.height) <= max(width, height)
    if height * width <= max_pixels:
        assert (frame.width, frame.height) == (width // 2 * 2, height // 2 * 2)


def test_a_frame_waits_no_longer_than_a_segment_lasts():
    now_s = 50.0
    packer = MessagePacker("cam", Encoding.MP4, fps=5.0, segment_seconds=2, clock=lambda: now_s)

    def camera():
        nonlocal now_s
        first, second, third = frames(3)
        assert packer.patience_s() is None
        yield first
        now_s = 51.75
        yield None  # a pause, but not yet two seconds
        yield second
        assert packer.patience_s() == 0.25
        now_s = 52.0
        yield None
        assert packer.patience_s() is None
        yield third

    assert [count for _, count in packer.pack(camera())] == [2, 1]


def test_what_came_before_a_fault_of_the_source_is_published():
    def failing():
        yield from frames(3)
        raise SourceError("unplugged")

    confirmed: list[int] = []
    broker = Broker({}, PublishFailed("never"))
    packer = MessagePacker("cam", Encoding.MP4, fps=5.0)
    with pytest.raises(SourceError, match="unplugged"):
        publish_all(failing(), packer, broker.send, lambda count, _: confirmed.append(count))
    assert confirmed == [3]


def test_segments_last_as_long_as_asked():
    counts = [count for _, count in MessagePacker("cam", Encoding.MP4, fps=5.0, segment_seconds=0.8).pack(frames(10))]
    assert counts == [4, 4, 2]


@pytest.mark.parametrize("encoding", list(Encoding))
@pytest.mark.parametrize("gap_s", [0.7, 20, 90])
def test_source_far_slower_than_its_rate_makes_segments_that_ingest_takes(encoding, gap_s):
    source = frames(5, fps=1 / gap_s)
    packed = list(MessagePacker("cam", encoding, fps=5.0).pack(source))
    times = decoded_times(message for message, _ in packed)
    assert [times[0], len(times)] == [START_MS, 5]
    if encoding is not Encoding.H264:  # which knows one rate only
        assert times == [frame.ts_ms for frame in source]
    assert max(count for _, count in packed) <= (2 if gap_s < 1 else 1)


def test_time_lapse_file_is_published_in_segments_bounded_in_time():
    source = FileSource(TIMELAPSE, start_ts_ms=START_MS)
    packed = list(MessagePacker("cam", Encoding.MP4, fps=5.0, segment_seconds=1.0).pack(source.frames()))
    times = decoded_times(message for message, _ in packed)
    assert len(times) > 3
    assert all(later - earlier == 20_000 for earlier, later in pairwise(times))


def test_frame_of_a_slow_source_does_not_wait_for_the_next():
    taken = []

    def slow():
        for frame in frames(4, fps=1 / 20):
            taken.append(frame)
            yield frame

    for published, _ in enumerate(MessagePacker("cam", Encoding.MP4, fps=5.0).pack(slow())):
        assert len(taken) - published <= 2  # only the first cannot know how slow the source is


def test_a_camera_that_changes_its_resolution_goes_on():
    mixed = [*frames(3), *(Frame(f.image, f.ts_ms + 600) for f in frames(3, height=32, width=32))]
    packed = list(MessagePacker("cam", Encoding.MP4, fps=5.0).pack(mixed))
    assert [count for _, count in packed] == [3, 3]
    assert len(decoded_times(message for message, _ in packed)) == 6


def test_odd_sizes_are_made_even_and_large_ones_shrunk():
    packer = MessagePacker("cam", Encoding.H264, fps=5.0, max_side_px=64)
    (message, _), *_ = packer.pack(frames(1, height=75, width=129))
    (frame,) = decode(message.payload, message.content_type, message.ts_ms, DecodeLimits())
    assert max(frame.height, frame.width) <= 64
    assert frame.height % 2 == frame.width % 2 == 0


def test_only_confirmed_frames_are_counted():
    confirmed: list[int] = []

    def send(message):
        future: Future = Future()
        if message.seq < 2:
            future.set_result(None)
        else:
            future.set_exception(PublishFailed("the broker did not confirm the record"))
        return future

    packer = MessagePacker("cam", Encoding.JPEG, fps=5.0)
    with pytest.raises(PublishFailed):
        publish_all(frames(5), packer, send, lambda count, size: confirmed.append(count))
    assert confirmed == [1, 1]


class Broker:
    """Confirms each message at its n-th attempt; remembers what it got."""

    def __init__(self, attempts: dict[int, int], error: Exception) -> None:
        self.attempts = attempts
        self.error = error
        self.tries: list[int] = []
        self.kept: list[int] = []

    def send(self, message):
        self.tries.append(message.seq)
        future: Future = Future()
        if self.tries.count(message.seq) < self.attempts.get(message.seq, 1):
            future.set_exception(self.error)
        else:
            self.kept.append(message.seq)
            future.set_result(None)
        return future


def test_messages_that_a_broker_did_not_confirm_are_sent_again_in_order():
    broker = Broker({1: 3, 2: 2, 4: 2}, PublishFailed("timed out", retriable=True))
    said: list[str] = []
    confirmed: list[int] = []
    packer = MessagePacker("cam", Encoding.JPEG, fps=5.0)
    publish_all(frames(6), packer, broker.send, lambda count, _: confirmed.append(count), said.append)
    assert sorted(broker.kept) == list(range(6))
    assert len(confirmed) == 6
    assert set(said) == {"timed out"}


@pytest.mark.parametrize("error", [PublishFailed("too large"), SourceError("unplugged")], ids=["refused", "other"])
def test_what_no_waiting_mends_ends_publishing(error):
    broker = Broker({1: 99}, error)
    with pytest.raises(type(error), match=str(error)):
        publish_all(frames(3), MessagePacker("cam", Encoding.JPEG, fps=5.0), broker.send, lambda *_: None, print)


def test_an_excerpt_ends_by_capture_time():
    assert len(list(excerpt(frames(20, fps=5.0), 2.0))) == 10
    assert len(list(excerpt(frames(20, fps=5.0), None))) == 20
    assert list(excerpt([], 2.0)) == []


def test_a_simulated_camera_is_named_by_its_seed():
    assert isinstance(open_source("sim://7", fps=2.0, loop=False, realtime=False), SimulatedCamera)


@pytest.mark.parametrize("source", ["sim://", "sim://seven", "/no/such/file.mp4", "ftp://camera/stream"])
def test_a_source_that_cannot_be_is_refused(source):
    with pytest.raises(SourceError):
        open_source(source, fps=2.0, loop=False, realtime=False)
