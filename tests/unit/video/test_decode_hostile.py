"""Whatever the bytes, a decoder returns frames or raises a MediaError, soon and within bounds."""

import time

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hermes_ray.errors import MediaError
from hermes_ray.video.codec import CONTENT_TYPES, DecodeLimits, decode, encode_jpeg, encode_png

LIMITS = DecodeLimits(max_encoded_bytes=100_000, max_pixels=200 * 200, max_frames=30, max_seconds=10)
FEW = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def frames_or_media_error(payload, content_type):
    began = time.monotonic()
    try:
        for count, frame in enumerate(decode(payload, content_type, 0, LIMITS), start=1):
            assert frame.height * frame.width <= LIMITS.max_pixels
            assert count <= LIMITS.max_frames
    except MediaError as error:
        assert str(error)
    assert time.monotonic() - began < 5


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
