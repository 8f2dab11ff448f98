import json
import string
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from hermes_ray.errors import EmptyPayload, InvalidHeader, InvalidStreamId, MessageError, UnsupportedMedia
from hermes_ray.transport.message import CONTENT_TYPES, FrameMessage
from hermes_ray.transport.record import Record

SCHEMA = json.loads((Path(__file__).parents[3] / "kafka" / "frame-message.schema.json").read_text())
VALIDATOR = Draft202012Validator(SCHEMA)


def record(key="cam-1", headers=None, value=b"jpeg", timestamp_ms=7):
    headers = {"content-type": "image/jpeg", "ts": "5"} if headers is None else headers
    encoded = tuple((name, text.encode()) for name, text in headers.items())
    return Record("frames", 0, 0, timestamp_ms, key.encode(), value, encoded)


def is_accepted(key, headers):
    try:
        FrameMessage.from_record(record(key, headers))
    except (MessageError, UnsupportedMedia):
        return False
    return True


def test_published_message_reads_back_equal():
    sent = FrameMessage("gate.north_2", b"\x00\xff", "video/mp4", 1_760_000_000_123, 42)
    stored = Record("frames", 3, 9, 0, b"gate.north_2", b"\x00\xff", tuple(sent.to_headers()))
    assert FrameMessage.from_record(stored) == sent


def test_content_type_alone_is_enough_for_a_foreign_producer():
    message = FrameMessage.from_record(record(headers={"content-type": "image/png"}, timestamp_ms=1234))
    assert (message.ts_ms, message.seq) == (1234, None)


def test_foreign_headers_pass_unread():
    foreign = Record(
        "f", 0, 0, 7, b"a", b"x", (("traceparent", b"\xff\xfe"), ("content-type", b"image/jpeg"), ("b", None))
    )
    assert FrameMessage.from_record(foreign).stream_id == "a"


@pytest.mark.parametrize(
    "key", [None, b"", b"cam 1", b"cam/1", b"..", b".", b"cam\n", b"x" * 129, "kamera-ä".encode(), b"\xff"]
)
def test_key_that_is_no_stream_id_is_refused_by_name(key):
    with pytest.raises(InvalidStreamId, match=r"key.*stream id"):
        FrameMessage.from_record(Record("f", 0, 0, 7, key, b"x", (("content-type", b"image/jpeg"),)))


@pytest.mark.parametrize(
    ("headers", "named"),
    [
        ((), "content-type is missing"),
        ((("content-type", None),), "content-type has no value"),
        ((("content-type", b"image/jpeg"), ("content-type", b"image/png")), "content-type is there twice"),
        ((("content-type", b"image/jpeg"), ("ts", b"1.5")), "ts is '1.5'.*milliseconds"),
        ((("content-type", b"image/jpeg"), ("ts", b"-1")), "ts"),
        ((("content-type", b"image/jpeg"), ("ts", "٣".encode())), "ts.*ASCII"),
        ((("content-type", b"image/jpeg"), ("seq", b"9" * 19)), "seq"),
        ((("content-type", b"image/jpeg"), ("seq", b"")), "seq"),
        ((("content-type", b"image/jpeg"), ("hermes-version", b"2")), "hermes-version is '2'.*reads 1"),
    ],
)
def test_wrong_header_is_refused_with_its_name_and_the_fix(headers, named):
    with pytest.raises(InvalidHeader, match=named):
        FrameMessage.from_record(Record("f", 0, 0, 7, b"cam", b"x", headers))


def test_missing_time_is_refused_when_the_record_has_none_either():
    with pytest.raises(InvalidHeader, match="ts is missing"):
        FrameMessage.from_record(record(headers={"content-type": "image/jpeg"}, timestamp_ms=-1))


@pytest.mark.parametrize("value", [None, b""])
def test_record_without_bytes_is_refused(value):
    with pytest.raises(EmptyPayload):
        FrameMessage.from_record(record(value=value))


def test_unsupported_content_type_names_the_supported_ones():
    with pytest.raises(UnsupportedMedia, match=r"image/jpg.*image/jpeg, image/png, video/mp4, video/h264"):
        FrameMessage.from_record(record(headers={"content-type": "image/jpg"}))


def test_wrong_message_cannot_be_built_for_publishing():
    with pytest.raises(InvalidHeader):
        FrameMessage("cam", b"x", "image/jpeg", -5)
    with pytest.raises(InvalidStreamId):
        FrameMessage("cam\n", b"x", "image/jpeg", 5)


def test_long_hostile_value_does_not_flood_the_error_text():
    with pytest.raises(UnsupportedMedia) as caught:
        FrameMessage.from_record(record(headers={"content-type": "\x1b[2J" + "x" * 100_000}))
    assert len(str(caught.value)) < 300
    assert "\x1b" not in str(caught.value)


GOOD = {"content-type": "image/jpeg"}


@pytest.mark.parametrize(
    ("key", "headers", "valid"),
    [
        ("cam-1", GOOD, True),
        ("A.b_c-9", GOOD | {"ts": "0", "seq": "0", "hermes-version": "1"}, True),
        ("x" * 128, GOOD | {"ts": "9" * 14, "seq": "9" * 18, "hermes-version": "1.7", "other": "\n"}, True),
        ("x" * 129, GOOD, False),
        ("", GOOD, False),
        ("..", GOOD, False),
        ("...", GOOD, True),
        ("cam\n", GOOD, False),
        ("cam", {}, False),
        ("cam", GOOD | {"ts": "5\n"}, False),
        ("cam", GOOD | {"ts": "9" * 15}, False),
        ("cam", GOOD | {"seq": "+1"}, False),
        ("cam", GOOD | {"hermes-version": "2"}, False),
        ("cam", GOOD | {"hermes-version": "1\n"}, False),
        ("cam", GOOD | {"hermes-version": "10"}, False),
        ("cam", {"content-type": "IMAGE/JPEG"}, False),
    ],
)
def test_schema_and_parser_agree_on_examples(key, headers, valid):
    assert VALIDATOR.is_valid({"key": key, "headers": headers}) is valid
    assert is_accepted(key, headers) is valid


near_misses = st.text(alphabet=string.digits + "ab.-_+ \n\r\u0663", max_size=20)


@given(
    key=st.one_of(near_misses, st.text(max_size=130)),
    headers=st.fixed_dictionaries(
        {},
        optional={
            "content-type": st.one_of(st.sampled_from(CONTENT_TYPES), near_misses),
            "ts": near_misses,
            "seq": near_misses,
            "hermes-version": st.one_of(st.just("1"), near_misses),
        },
    ),
)
@example(key="1", headers={"content-type": "image/jpeg", "ts": "1\r"})
def test_schema_and_parser_agree_on_anything(key, headers):
    assert VALIDATOR.is_valid({"key": key, "headers": headers}) == is_accepted(key, headers)


header_names = st.one_of(st.sampled_from(["content-type", "ts", "seq", "hermes-version"]), st.text(max_size=5))
raw_values = st.one_of(st.none(), st.binary(max_size=30), st.sampled_from([b"image/jpeg", b"1", b"12"]))


@given(
    key=st.one_of(st.none(), st.binary(max_size=140)),
    value=st.one_of(st.none(), st.binary(max_size=3)),
    headers=st.lists(st.tuples(header_names, raw_values), max_size=8),
    timestamp_ms=st.integers(min_value=-(2**63), max_value=2**63 - 1),
)
def test_hostile_record_raises_nothing_but_typed_errors(key, value, headers, timestamp_ms):
    try:
        FrameMessage.from_record(Record("f", 0, 0, timestamp_ms, key, value, tuple(headers)))
    except (MessageError, UnsupportedMedia) as error:
        assert str(error).isprintable()
