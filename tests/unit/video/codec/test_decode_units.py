"""A packet is not always a picture: units beside the pictures of H.264 and HEVC, and pictures in several packets."""

import io
from fractions import Fraction

import av
import numpy as np
import pytest

from hermes_ray.errors import UndecodableMedia
from hermes_ray.video.codec import DecodeLimits, decode
from tests.unit.video.codec.field_pictures import field_pairs
from tests.unit.video.codec.muxing import ffmpeg_segment, remuxed, sized, units_of

LIMITS = DecodeLimits()
START = b"\0\0\0\1"
TRUNCATED_SEI = b"\xff\xff\x50" + bytes(range(1, 60)) + b"\x80"
"""Of a private type, with a length of some hundred bytes more than there are."""
H264_UNITS = {
    "delimiter": b"\x09\xf0",
    "sei": b"\x06\x05\x04abcd\x80",
    "truncated sei": b"\x06" + TRUNCATED_SEI,
    "end of sequence": b"\x0a",
    "end of stream": b"\x0b",
    "filler": b"\x0c\xff\xff\xff\x80",
}
HEVC_UNITS = {
    "delimiter": b"\x46\x01\x50",
    "sei": b"\x4e\x01\x05\x04abcd\x80",
    "truncated sei": b"\x4e\x01" + TRUNCATED_SEI,
    "truncated sei behind the picture": b"\x50\x01" + TRUNCATED_SEI,
    "end of bitstream": b"\x4a\x01",
    "filler": b"\x4c\x01\xff\xff\x80",
}


def times(payload, content_type="video/mp4"):
    return [frame.ts_ms for frame in decode(payload, content_type, 0, LIMITS)]


def hevc():
    return ffmpeg_segment("mp4", "libx265", "-x265-params", "log-level=none:bframes=2:keyint=100")


def avc():
    return ffmpeg_segment("mp4", "libx264", "-bf", "2", "-g", "100")


SEGMENTS = [
    *(pytest.param(avc, unit, id=f"avc {name}") for name, unit in H264_UNITS.items()),
    *(pytest.param(hevc, unit, id=f"hevc {name}") for name, unit in HEVC_UNITS.items()),
]


@pytest.mark.parametrize("segment, unit", SEGMENTS)
def test_unit_beside_every_picture_changes_nothing(segment, unit):
    if unit[0] == 0x50:  # a suffix
        payload = remuxed(segment(), lambda number, sample: sample + sized(unit))
    elif unit in (b"\x0a", b"\x0b", b"\x4a\x01"):  # behind which only a new sequence may begin
        payload = remuxed(segment(), lambda number, sample: sample + sized(unit) if number == 19 else sample)
    else:
        payload = remuxed(segment(), lambda number, sample: sized(unit) + sample)
    plain, changed = (list(decode(each, "video/mp4", 0, LIMITS)) for each in (segment(), payload))
    assert [frame.ts_ms for frame in changed] == [frame.ts_ms for frame in plain] == list(range(0, 2000, 100))
    assert all(np.array_equal(one.image, other.image) for one, other in zip(plain, changed, strict=True))


@pytest.mark.parametrize("segment, unit", SEGMENTS)
def test_sample_of_such_a_unit_alone_is_no_picture(segment, unit):
    payload = remuxed(segment(), lambda number, sample: [sample, sized(unit)] if number == 19 else sample)
    assert times(payload) == list(range(0, 2000, 100))


@pytest.mark.parametrize("unit", H264_UNITS.values(), ids=H264_UNITS)
def test_unit_at_the_end_of_a_raw_segment_is_no_picture(unit, h264):
    assert times(h264 + START + unit, "video/h264") == list(range(0, 2000, 100))


def test_parameter_sets_of_the_next_segment_at_the_end_are_no_picture(h264):
    parameters = h264[: h264.index(b"\0\0\1\x06")].rstrip(b"\0")
    assert times(h264 + parameters, "video/h264") == list(range(0, 2000, 100))


@pytest.mark.parametrize("bit", range(8))
@pytest.mark.parametrize("segment", [avc, hevc])
def test_picture_whose_unit_type_is_damaged_is_missed(segment, bit):
    """It may then look like a unit without a picture, or like one that is to be skipped."""

    def damage(number, sample):
        if number != 5:
            return sample
        head, *rest = units_of(sample)[-1:]
        return sized(*units_of(sample)[:-1], bytes([head[0] ^ (1 << bit)]) + head[1:], *rest)

    try:
        count = len(times(remuxed(segment(), damage)))
    except UndecodableMedia:
        return
    # Bits that say how a picture is referred to, its layer's, or one standing for the like of it.
    assert count == 20


@pytest.mark.parametrize("segment", [avc, hevc])
def test_picture_cut_off_in_its_sample_is_refused(segment):
    for keep in (0.3, 0.6, 0.9):
        payload = remuxed(
            segment(), lambda n, sample, keep=keep: sample[: int(keep * len(sample))] if n == 9 else sample
        )
        with pytest.raises(UndecodableMedia, match="reaches beyond its sample"):
            times(payload)


def test_damage_stays_damage_behind_a_truncated_sei():
    def damage(number, sample):
        units = units_of(sample)
        if number == 7:
            units[-1] = units[-1][: len(units[-1]) // 2]
        return sized(b"\x06" + TRUNCATED_SEI, *units)

    with pytest.raises(UndecodableMedia, match="damaged or cut off at picture"):
        times(remuxed(avc(), damage))


@pytest.mark.parametrize(
    "segment, box, unit",
    [(avc, b"avcC", b"\x67"), (avc, b"avcC", b"\x68"), (hevc, b"hvcC", b"\x42\1"), (hevc, b"hvcC", b"\x44\1")],
)
def test_mp4_without_one_of_its_parameter_sets_says_so(segment, box, unit):
    start = segment().index(unit, segment().index(box) + 10)
    filler = {b"avcC": b"\x0c", b"hvcC": b"\x4c\1"}[box]
    with pytest.raises(UndecodableMedia, match="lacks the parameter sets"):
        decode(segment()[:start] + filler + segment()[start + len(unit) :], "video/mp4", 0, LIMITS)


def test_thousands_of_units_in_one_picture_are_refused(h264):
    with pytest.raises(UndecodableMedia, match="more than 4096 NAL units"):
        decode(h264 + 5000 * (START + b"\x09\xf0"), "video/h264", 0, LIMITS)


@pytest.fixture(scope="module")
def grey_frames():
    rng = np.random.default_rng(0)
    return [rng.integers(16, 236, (64, 48), dtype=np.uint8) for _ in range(6)]


def as_mp4(samples, h264):
    """Samples of a byte stream in an mp4 at 25 fps, muxed as they are."""
    buffer = io.BytesIO()
    with av.open(io.BytesIO(h264), format="h264") as source, av.open(buffer, "w", format="mp4") as output:
        copy = output.add_stream_from_template(source.streams.video[0])
        for number, data in enumerate(samples):
            packet = av.Packet(data)
            packet.pts = packet.dts = 48 * number
            packet.duration = 48
            packet.time_base, packet.stream, packet.is_keyframe = Fraction(1, 1200), copy, number == 0
            output.mux(packet)
    return buffer.getvalue()


@pytest.mark.parametrize("shape", ["raw", "mp4, both fields in a sample"])
def test_two_fields_are_one_picture(shape, grey_frames):
    fields = field_pairs(grey_frames)
    stream = b"".join(fields)
    if shape == "raw":
        payload, content_type = stream, "video/h264"
    else:
        payload, content_type = (
            as_mp4([a + b for a, b in zip(fields[::2], fields[1::2], strict=True)], stream),
            "video/mp4",
        )
    frames = list(decode(payload, content_type, 0, DecodeLimits(max_frames=6)))
    assert len(frames) == 6
    assert [frame.ts_ms for frame in frames] == list(range(0, 240, 40))
    for frame, luma in zip(frames, grey_frames, strict=True):
        expected = (luma.astype(float) - 16) * 255 / 219  # ITU-R BT.601, limited range
        assert np.abs(frame.image - expected[..., None]).max() < 2


def test_field_that_is_cut_off_is_refused(grey_frames):
    fields = field_pairs(grey_frames)
    for number in (0, 1, 6, 11):
        damaged = [*fields[:number], fields[number][:-300], *fields[number + 1 :]]
        with pytest.raises(UndecodableMedia):
            times(b"".join(damaged), "video/h264")
