"""What a stream says of its pixels' shape and its frame rate, and when it is not believed."""

from fractions import Fraction

import pytest

from hermes_ray.errors import MediaTooLarge
from hermes_ray.video.codec import DecodeLimits, SegmentEncoder, decode
from tests.unit.video.codec.muxing import ffmpeg_segment
from tests.unit.video.oracles import CASES, ffmpeg

LIMITS = DecodeLimits()


def shapes(payload, content_type="video/mp4", **options):
    return {frame.image.shape for frame in decode(payload, content_type, 0, LIMITS, **options)}


@pytest.mark.parametrize("codec", ["libx264", "libx265", "mpeg4"])
@pytest.mark.parametrize(
    "aspect, shape",
    [("1", (240, 320)), ("16/11", (240, 465)), ("10/11", (264, 320)), ("2", (240, 640)), ("100", (240, 320))],
)
def test_pixels_of_any_codec_are_made_square_unless_their_shape_is_absurd(codec, aspect, shape):
    assert shapes(ffmpeg_segment("mp4", codec, "-vf", f"setsar={aspect}", count=2)) == {(*shape, 3)}


def test_container_overrules_the_stream(tmp_path):
    source, path = tmp_path / "source.mp4", tmp_path / "path.mp4"
    source.write_bytes(ffmpeg_segment("mp4", "libx264", "-vf", "setsar=2", count=2))
    ffmpeg("-i", source, "-c", "copy", "-aspect", "4:3", path)
    assert shapes(path.read_bytes()) == {(240, 320, 3)}


def test_shape_of_a_raw_stream_is_in_its_parameter_sets():
    assert shapes(ffmpeg_segment("h264", "libx264", "-vf", "setsar=3/2", count=2), "video/h264") == {(240, 480, 3)}


def test_true_shape_is_what_is_shrunk():
    wide = ffmpeg_segment("mp4", "libx264", "-vf", "setsar=2", count=2)
    assert shapes(wide, max_side_px=160) == {(60, 160, 3)}


@pytest.mark.parametrize("aspect, shape", [("2", (120, 320)), ("1/2", (240, 160))])
def test_largest_picture_is_not_made_larger_than_allowed(aspect, shape):
    payload = ffmpeg_segment("mp4", "libx264", "-vf", f"setsar={aspect}", count=2)
    (frame, _) = decode(payload, "video/mp4", 0, DecodeLimits(max_pixels=320 * 240))
    assert frame.image.shape == (*shape, 3)


def raw(fps, pictures=50):
    """A stream of so many pictures that claims a frame rate."""
    options = ("-bsf:v", f"h264_metadata=tick_rate={2 * Fraction(fps)}")
    return ffmpeg_segment("h264", "libx264", *options, count=pictures, source="testsrc2=size=64x48:rate=25")


def times(payload, **options):
    decoding = decode(payload, "video/h264", 1_000_000, LIMITS, **options)
    return [frame.ts_ms - 1_000_000 for frame in decoding], decoding.refused_fps


@pytest.mark.parametrize("fps", ["1/10", "1", "3", "241", "1000", "45000", "90000"])
def test_frame_rate_that_cannot_be_right_gives_way_to_the_default(fps):
    # Written two seconds after the first picture was taken.
    assert times(raw(fps), written_ms=1_002_000) == (list(range(0, 2000, 40)), Fraction(fps))
    # The message has no time of its own, or its camera's clock is ahead.
    assert times(raw(fps))[0][-1] == 1960
    assert times(raw(fps), written_ms=900_000)[0][-1] == 1960


@pytest.mark.parametrize("fps", [5, 12.5, 25, 60, 120, 240])
def test_frame_rate_of_a_camera_is_believed(fps):
    expected = [round(1000 * index / fps) for index in range(50)]
    assert times(raw(Fraction(fps)), written_ms=1_000_000 + expected[-1]) == (expected, None)


@pytest.mark.parametrize("fps", ["1/5", "1/2", "1", "3"])
def test_slow_frame_rate_is_believed_if_so_much_time_has_passed(fps):
    expected = [round(1000 * index / Fraction(fps)) for index in range(10)]
    assert times(raw(fps, pictures=10), written_ms=1_000_000 + expected[-1]) == (expected, None)


def test_slow_frame_rate_of_a_short_segment_needs_no_proof():
    assert times(SegmentEncoder(64, 48, 2, "h264").encode(_pictures(8)))[0] == list(range(0, 4000, 500))


def _pictures(count):
    return [frame.image for frame in decode(raw(25, count), "video/h264", 0, LIMITS)]


@pytest.mark.parametrize("name", ["vui_1fps.h264", "vui_45000fps.h264"])
def test_limit_of_the_duration_goes_by_the_rate_that_is_used(name):
    payload = (CASES / name).read_bytes()
    assert len(list(decode(payload, "video/h264", 0, DecodeLimits(max_seconds=2)))) == 50
    with pytest.raises(MediaTooLarge, match="max_segment_seconds"):
        decode(payload, "video/h264", 0, DecodeLimits(max_seconds=1.9))
