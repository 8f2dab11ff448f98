"""Cameras that speak HTTP: against real servers on a local port."""

import io
import itertools
import random
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from hermes_ray.errors import SourceError
from hermes_ray.video.codec import DecodeLimits
from hermes_ray.video.sources.cameras.backoff import Backoff
from hermes_ray.video.sources.cameras.http import HttpSource
from hermes_ray.video.sources.cameras.multipart import parts
from tests.unit.video.sources.http_camera import HttpCamera, motion_jpeg


def jpeg(shade: int, side: int = 32) -> bytes:
    written = io.BytesIO()
    Image.fromarray(np.full((side, side, 3), shade, np.uint8)).save(written, "JPEG", quality=95)
    return written.getvalue()


def shades(frames) -> list[int]:
    return [round(float(frame.image.mean()) / 20) * 20 for frame in frames]


def source(url: str, **options) -> HttpSource:
    return HttpSource(url, fps=100, backoff=Backoff(0.02, 0.05, random.Random(1)), capacity=100, **options)


@pytest.mark.parametrize("lengths", [True, False], ids=["lengths", "no-lengths"])
@pytest.mark.parametrize(
    ("boundary", "in_header"),
    [("--frame", "frame"), ("--frame", "--frame"), ("--a b", '"a b"'), ("----frame", "--frame")],
    ids=["as-the-standard-says", "with-dashes", "quoted", "two-dashes-more"],
)
def test_motion_jpeg_is_watched_as_different_cameras_send_it(boundary, in_header, lengths):
    sent = [jpeg(shade) for shade in (40, 100, 160, 220)]
    with HttpCamera(motion_jpeg(sent, boundary=boundary, in_header=in_header, lengths=lengths)) as camera:
        watched = source(camera.url)
        frames = list(itertools.islice(watched.frames(), 6))  # it hangs up after four: the source connects again
    assert shades(frames) == [40, 100, 160, 220, 40, 100]
    assert all(earlier.ts_ms < later.ts_ms for earlier, later in pairwise(frames))
    assert watched.codec == "motion JPEG"
    assert watched.reconnects >= 1


@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_parts_are_the_same_however_the_body_is_cut(size):
    body = b"preamble\r\n--x\r\nContent-Length: 9\r\n\r\n\r\n--x\r\nab\r\n--x\nA: b\n\n12\r\n3\r\n--x--"
    chunks = [body[at : at + size] for at in range(0, len(body), size)]
    assert list(parts(chunks, b"--x", 100)) == [b"\r\n--x\r\nab", b"12\r\n3"]


@pytest.mark.parametrize(
    "body", [b"--x\r\nContent-Length: 5000\r\n\r\n", b"--x\r\n\r\n" + bytes(5000), bytes(50_000)],
    ids=["announced", "not-announced", "no-boundary"],
)  # fmt: skip
def test_what_a_hostile_camera_sends_is_bounded(body):
    with pytest.raises(SourceError):
        list(parts([body, body], b"--x", 1000))


def test_a_snapshot_is_fetched_again_and_one_that_has_not_changed_only_once():
    pictures = iter([40, 40, 40, 100])

    def answer(exchange):
        shade = next(pictures, 160)
        tag = f'"{shade}"'
        if exchange.headers["If-None-Match"] == tag:
            exchange.whole(b"", status=304, headers={"ETag": tag})
        else:
            exchange.whole(jpeg(shade), headers={"ETag": tag})

    with HttpCamera(answer) as camera:
        watched = source(camera.url)
        assert shades(itertools.islice(watched.frames(), 3)) == [40, 100, 160]
    assert len(camera.requests) >= 5
    assert watched.codec == "snapshots"


@pytest.mark.parametrize("scheme", ["Basic", "Digest"])
def test_the_password_is_given_when_asked_for_and_never_shown(scheme):
    with HttpCamera(lambda exchange: exchange.whole(jpeg(100)), "admin:hun/ter@2", scheme) as camera:
        url = camera.url.replace("http://", "http://admin:hun%2Fter%402@")
        watched = source(url)
        assert len(list(itertools.islice(watched.frames(), 2))) == 2
        assert "authorization" not in camera.requests[0]
        assert "ter" not in watched.shown
        wrong = source(camera.url.replace("http://", "http://admin:wrong1@"))
        with pytest.raises(SourceError, match="401") as caught:
            next(wrong.frames())
        assert "wrong1" not in str(caught.value)


def status(code: int, **headers):
    return lambda exchange: exchange.whole(b"", "text/plain", code, headers)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (status(404), "404.*path"),
        (status(503), "503"),
        (status(302, Location="http://127.0.0.1:1/"), "elsewhere"),
        (status(403), "403"),
        (lambda exchange: exchange.whole(bytes(3000)), "2000 bytes"),
        (lambda exchange: exchange.wfile.write(b"hello"), "does not speak HTTP"),
        (lambda exchange: exchange.whole(b"", "multipart/x-mixed-replace"), "boundary"),
    ],
)
def test_why_there_is_no_picture_is_told(answer, said):
    with HttpCamera(answer) as camera:
        watched = source(camera.url, max_failures=1, limits=DecodeLimits(max_encoded_bytes=2000))
        with pytest.raises(SourceError, match=said):
            next(watched.frames())


def test_nobody_at_the_address_is_told():
    with HttpCamera(status(200)) as camera:
        gone = camera.url
    with pytest.raises(SourceError, match="refused"):
        next(source(gone, max_failures=1).frames())


def test_a_damaged_picture_is_left_out_and_told_if_there_is_no_other():
    told = []
    sent = [jpeg(100)[:-20], b"<html>", jpeg(160)]
    with HttpCamera(motion_jpeg(sent, boundary="--x", in_header="x", lengths=True)) as camera:
        watched = source(camera.url, on_fault=told.append)
        assert shades([next(watched.frames())]) == [160]
    assert watched.damaged == 2
    assert "cannot be used" in told[0]
