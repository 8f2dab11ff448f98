"""Addresses of cameras: the password reaches the camera whatever it holds, and nobody else."""

from urllib.parse import quote, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermes_ray.errors import SourceError
from hermes_ray.video.sources.cameras.address import CameraAddress, without_secrets

SPECIAL = "#/?[]@:&=+%$ ~\"'\\|"


def shown(text: str) -> tuple[str, CameraAddress | None]:
    """Everything of an address that may reach a person or a log, and the address if it is understood."""
    try:
        address = CameraAddress.parse(text)
    except SourceError as error:
        return f"{error} {without_secrets(text)}", None
    return f"{address.shown} {address!r} {without_secrets(text)}", address


@given(st.text(st.characters(min_codepoint=33, max_codepoint=0x24F), max_size=15))
def test_a_percent_encoded_password_is_understood_and_hidden(password):
    text, address = shown(f"rtsp://admin:{quote(f'<<{password}>>', safe='')}@camera.lan:8554/live")
    assert address is not None
    assert "<<" not in text
    assert "%3C%3C" not in text
    parts = urlsplit(address.url)
    assert (parts.hostname, parts.port, parts.path) == ("camera.lan", 8554, "/live")
    assert unquote(parts.password or "") == f"<<{password}>>"
    assert address.shown == "rtsp://camera.lan:8554/live"


@given(
    st.text(st.sampled_from(SPECIAL.replace("%", "") + "ab.12"), max_size=12),
    st.sampled_from(["camera.lan", "10.0.0.7:8554", "[fe80::7]:554"]),
    st.sampled_from(["", "/", "/live/1", "/a?b=c"]),
)
def test_a_password_as_it_is_typed_is_understood_or_refused_and_never_shown(password, host, path):
    secret = f"s3{password}cret"
    text, address = shown(f"rtsp://admin:{secret}@{host}{path}")
    assert "s3" not in text
    assert "cret" not in text
    if address is not None:
        parts = urlsplit(address.url)
        assert parts.netloc.rpartition("@")[2] == host
        assert unquote(parts.password or "") == secret


@pytest.mark.parametrize("character", SPECIAL)
def test_a_single_special_character_needs_no_encoding(character):
    _, address = shown(f"rtsp://admin:secret{character}word@camera.lan/live")
    assert address is not None
    assert address.shown == "rtsp://camera.lan/live"
    assert unquote(urlsplit(address.url).password or "") == f"secret{character}word"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rtsp://admin:12/secret@camera.lan/live", "more than one @"),
        ("rtsp://admin:se@cr/et@camera.lan/live", "more than one @"),
        ("rtsp://[camera.lan/live", "no host"),
        ("rtsp://admin:secret@[camera.lan/live", "no host"),
        ("rtsp://admin:secret@[1:2]/live", "no IPv6 address"),
        ("rtsp://admin:secret@fe80::1/live", "brackets"),
        ("rtsp://", "no host"),
        ("rtsp:///live", "no host"),
        ("rtsp://admin:secret@camera..lan/live", "no host"),
        ("rtsp://admin:secret@camera.lan:0/live", "port"),
        ("rtsp://admin:secret@camera.lan:65536/live", "port"),
        ("rtsp://admin:secret@camera.lan/live\r\nX: y", "control character"),
        ("rtsp://admin:se%00cret@camera.lan/live", "control character"),
        (f"rtsp://admin:{'secret/' * 20}@camera.lan/live", "too long"),
        ("http://admin:secret@camera.lan/live", "rtsp://"),
        ("admin:secret@camera.lan/live", "rtsp://"),
        ("rtsp:admin:secret@camera.lan/live", "rtsp://"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused_with_the_remedy_and_without_its_password(text, said):
    message, address = shown(text)
    assert address is None
    assert said in message
    assert "secret" not in message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("RTSP://Camera.lan/live", "rtsp://Camera.lan/live"),
        ("rtsps://token@camera.lan/live", "rtsps://camera.lan/live"),
        ("rtsp://admin:secret@[fe80::1%25eth0]:8554/live", "rtsp://[fe80::1%25eth0]:8554/live"),
        ("rtsp://camera.lan/live?password=secret", "rtsp://camera.lan/live"),
        ("rtsp://camera.lan/live#secret", "rtsp://camera.lan/live"),
        ("rtsp://camera.lan:554/user=admin&password=secret&channel=1", "rtsp://camera.lan:554/..."),
        ("rtsp://camera.lan:554/user=admin&password=sec@ret&channel=1", "rtsp://..."),
        ("rtsp://tok/en@camera.lan/live", "rtsp://..."),
    ],
)
def test_what_may_hold_a_secret_is_not_shown(text, expected):
    assert shown(text)[1].shown == expected


def test_a_path_is_sent_as_a_url_may_hold_it():
    assert CameraAddress.parse("rtsp://camera.lan/hof küche/[1]").url == "rtsp://camera.lan/hof%20k%C3%BCche/[1]"


def test_a_zone_reaches_the_resolver_as_it_wants_it():
    assert CameraAddress.parse("rtsp://[fe80::1%25eth0]/live").host == "fe80::1%eth0"


@pytest.mark.parametrize("path", ["/videos/date=2024-01-01/clip@2x.mp4", "./clip:1.mp4", "clip.mp4"])
def test_a_path_of_a_file_is_shown(path):
    assert without_secrets(path) == path
