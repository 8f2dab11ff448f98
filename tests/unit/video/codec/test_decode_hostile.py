"""Whatever the bytes, a decoder returns frames or raises a MediaError, soon and within bounds."""

import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hermes_ray.errors import MediaError, UndecodableMedia
from hermes_ray.video.codec import CONTENT_TYPES, DecodeLimits, decode, encode_jpeg, encode_png
from hermes_ray.video.codec.packets.h264 import H264Reader
from hermes_ray.video.codec.packets.hevc import HevcReader
from hermes_ray.video.codec.packets.nal_units import Framing, escaped, unescaped
from tests.unit.video.codec.muxing import ffmpeg_segment, remuxed

LIMITS = DecodeLimits(max_encoded_bytes=100_000, max_pixels=200 * 200, max_frames=30, max_seconds=10)
FEW = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def frames_or_media_error(payload, content_type):
    began_s = time.process_time()
    try:
        for count, frame in enumerate(decode(payload, content_type, 0, LIMITS), start=1):
            assert frame.height * frame.width <= LIMITS.max_pixels
            assert count <= LIMITS.max_frames
    except MediaError as error:
        assert str(error)
    assert time.process_time() - began_s < 5


@FEW
@given(payload=st.binary(max_size=2000), content_type=st.sampled_from(CONTENT_TYPES))
def test_random_bytes(payload, content_type):
    frames_or_media_error(payload, content_type)


@FEW
@given(data=st.data(), content_type=st.sampled_from(CONTENT_TYPES))
def test_real_files_with_flipped_bits_and_missing_or_repeated_pieces(data, content_type, pictures, mp4, h264):
    whole = {
        "image/jpeg": encode_jpeg(pictures[0]),
        "image/png": encode_png(pictures[0]),
        "video/mp4": mp4,
        "video/h264": h264,
    }[content_type]
    payload = bytearray(whole)
    # Tables sit at the ends of the files: aim there as often as anywhere.
    places = st.one_of(
        st.integers(0, len(payload) - 1), st.integers(0, 63), st.integers(max(0, len(payload) - 900), len(payload) - 1)
    )
    for place in data.draw(st.lists(places, max_size=4), label="flipped"):
        payload[place] ^= 1 << data.draw(st.integers(0, 7))
    start, end = sorted(data.draw(st.tuples(places, places), label="piece"))
    change = data.draw(st.sampled_from(["keep", "remove", "repeat", "number"]))
    if change == "remove":
        del payload[start:end]
    elif change == "repeat":
        payload[start:start] = payload[start:end]
    elif change == "number":
        payload[start : start + 4] = data.draw(st.sampled_from([b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff"]))
    frames_or_media_error(bytes(payload), content_type)


@FEW
@given(data=st.data(), codec=st.sampled_from(["libx264", "libx265", "mpeg4", "libvpx-vp9"]))
def test_samples_of_any_codec_with_flipped_bits_and_missing_or_repeated_pieces(data, codec):
    def damage(number, sample):
        if number != hit or not sample:
            return sample
        start, end = sorted(data.draw(st.tuples(*2 * [st.integers(0, len(sample))]), label="piece"))
        place = data.draw(st.one_of(st.integers(0, min(63, len(sample) - 1)), st.integers(0, len(sample) - 1)))
        flipped = sample[:place] + bytes([sample[place] ^ (1 << data.draw(st.integers(0, 7)))]) + sample[place + 1 :]
        piece = data.draw(st.sampled_from([b"", sample[start:end], 2 * sample[start:end]]), label="instead")
        return flipped[:start] + piece + flipped[end:] or None

    hit = data.draw(st.integers(0, 7), label="sample")
    options = ["-x265-params", "log-level=none:open-gop=1:keyint=4"] if codec == "libx265" else ["-g", "4"]
    payload = ffmpeg_segment("mp4", codec, *options, count=8, source="testsrc2=size=160x120:rate=10")
    frames_or_media_error(remuxed(payload, damage), "video/mp4")


UNITS = st.one_of(
    st.binary(max_size=200),
    st.sampled_from([bytes([head]) for head in range(256)]).flatmap(
        lambda head: st.binary(max_size=60).map(lambda body: head + body)
    ),
)


@settings(max_examples=500, deadline=None)
@given(
    reader=st.sampled_from([H264Reader, HevcReader]),
    length_size=st.sampled_from([None, 1, 2, 4]),
    extradata=st.one_of(UNITS, UNITS.map(lambda body: b"\1" + body)),
    packets=st.lists(st.lists(UNITS, max_size=5), max_size=5),
)
def test_random_units_are_read_or_refused(reader, length_size, extradata, packets):
    framing = Framing(length_size)
    contents = reader(framing)
    contents.configure(extradata)
    for units in packets:
        try:
            contents.read(framing.join([unit[:255] for unit in units]))
        except UndecodableMedia as error:
            assert str(error)


@given(units=st.lists(st.binary(min_size=1, max_size=80).filter(lambda unit: unit[-1] != 0), max_size=20))
@pytest.mark.parametrize("length_size", [None, 1, 2, 4])
def test_units_that_are_joined_come_apart_again(length_size, units):
    framing = Framing(length_size)
    safe = [escaped(unit) for unit in units]
    assert framing.split(framing.join(safe)) == safe
    assert [unescaped(unit) for unit in safe] == units
