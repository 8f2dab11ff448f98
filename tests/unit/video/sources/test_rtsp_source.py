"""Against a real RTSP camera on a local port: ``rtsp_server.py``."""

import itertools
import queue
import random
import socket
import threading
import time

import pytest

from hermes_ray.errors import SourceError
from hermes_ray.video.codec import DecodeLimits, SegmentEncoder, decode
from hermes_ray.video.sources.cameras.backoff import Backoff
from hermes_ray.video.sources.cameras.rtsp import RtspSource
from tests.patience import LIMIT_S
from tests.unit.video.oracles import CASES
from tests.unit.video.sources.rtsp_server import RtspCamera, split_nal_units


@pytest.fixture(scope="module")
def segment(pictures):
    return SegmentEncoder(160, 120, 20, "h264").encode(pictures)


def quick():
    return Backoff(0.02, 0.05, random.Random(1))


def test_camera_is_watched_with_its_pictures_in_order(segment, pictures, psnr):
    with RtspCamera(segment, fps=20) as camera:
        source = RtspSource(camera.url)
        frames = list(itertools.islice(source.frames(), 15))
    assert min(psnr(frame.image, image) for frame, image in zip(frames, pictures, strict=False)) > 30
    assert source.dropped == source.damaged == source.reconnects == 0


def test_frames_that_are_not_wanted_are_not_handed_over(segment):
    with RtspCamera(segment, fps=20) as camera:
        source = RtspSource(camera.url)
        seen: list[int] = []
        source.select(lambda ts_ms: seen.append(ts_ms) is None and len(seen) % 3 == 0)
        frames = list(itertools.islice(source.frames(), 4))
    assert [frame.ts_ms for frame in frames] == seen[2:12:3]


def test_pixels_that_are_not_square_are_shown_in_their_true_shape():
    payload = (CASES / "sar_half_d1.h264").read_bytes()
    expected = next(iter(decode(payload, "video/h264", 0, DecodeLimits()))).image
    with RtspCamera(payload, fps=20) as camera:
        shown = next(RtspSource(camera.url).frames()).image
    assert shown.shape == expected.shape == (576, 768, 3)


def test_capture_times_are_wall_clock_with_the_cameras_spacing(segment):
    with RtspCamera(segment, fps=20) as camera:
        before = time.time() * 1000
        stamps = [frame.ts_ms for frame in itertools.islice(RtspSource(camera.url).frames(), 15)]
        assert before <= stamps[0] <= time.time() * 1000
    spacing = [later - earlier for earlier, later in itertools.pairwise(stamps[2:])]
    assert set(spacing) <= {49, 50, 51}


def test_source_reconnects_when_the_camera_hangs_up_and_time_goes_on(segment):
    with RtspCamera(segment, fps=40) as camera:
        source = RtspSource(camera.url, backoff=quick())
        stamps = [frame.ts_ms for frame in itertools.islice(source.frames(), 50)]
        assert camera.sessions >= 3
    assert source.reconnects >= 2
    assert source.last_error
    assert all(earlier < later for earlier, later in itertools.pairwise(stamps))


def test_camera_that_comes_up_late_is_found(segment):
    with RtspCamera(segment, fps=20) as probe:
        port, url = probe.port, probe.url
    source = RtspSource(url, backoff=quick())
    opened = []

    def boot():
        time.sleep(0.3)
        opened.append(RtspCamera(segment, fps=20, port=port).__enter__())

    booting = threading.Thread(target=boot)
    booting.start()
    assert next(source.frames()).image.shape == (120, 160, 3)
    booting.join()
    opened[0].__exit__()
    assert source.reconnects >= 1


@pytest.mark.parametrize(("userinfo", "said"), [("admin:hunter2@", "refuses"), ("", "asks for")])
def test_refused_credentials_end_at_once_and_are_not_shown(segment, userinfo, said):
    with RtspCamera(segment, fps=20, login="admin:other") as camera:
        source = RtspSource(camera.url.replace("rtsp://", f"rtsp://{userinfo}") + "?token=s3cret")
        with pytest.raises(SourceError, match=f"{said}.*401") as caught:
            next(source.frames())
    assert "hunter2" not in str(caught.value)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["Basic", "Digest"])
@pytest.mark.parametrize(
    "written",
    ["plain", "a:b", "a/b", "a?b", "a#b", "a@b", "a[b", "a]b", "[", "50%off", "a b", "pass=w&rd+1", "geheim\u00fc", ""],
)
def test_the_camera_gets_the_password_as_it_was_written(segment, scheme, written):
    with RtspCamera(segment, fps=100, login=f"admin:{written}", scheme=scheme) as camera:
        source = RtspSource(camera.with_user(f"admin:{written}"))
        frames = source.frames()
        next(frames)
        names = [thread.name for thread in threading.enumerate()]
        source.close()
        assert f"camera rtsp://127.0.0.1:{camera.port}/camera" in names
    assert not written or not any(written in name for name in names)


@pytest.mark.parametrize("scheme", ["Basic", "Digest"])
@pytest.mark.parametrize(("userinfo", "login"), [("admin:%2F%40%3a%25", "admin:/@:%"), ("admin", "admin:")])
def test_percent_encoded_and_missing_passwords_are_sent(segment, scheme, userinfo, login):
    with RtspCamera(segment, fps=100, login=login, scheme=scheme) as camera:
        assert next(RtspSource(camera.with_user(userinfo)).frames()).image.shape == (120, 160, 3)


def test_a_camera_with_an_ipv6_address_is_watched(segment):
    with RtspCamera(segment, fps=100, host="::1") as camera:
        source = RtspSource(camera.with_user("admin:pa[ss"))
        assert next(source.frames()).image.shape == (120, 160, 3)
    assert source.address.shown == f"rtsp://[::1]:{camera.port}/camera"


def first_fault(url: str, **options) -> str:
    """Why the source is not connected, as it says before it tries a second time."""
    reasons: queue.Queue[str] = queue.Queue()
    source = RtspSource(url, backoff=Backoff(1000, 1000, random.Random(1)), on_fault=reasons.put, **options)
    watching = threading.Thread(target=lambda: list(source.frames()), daemon=True)
    watching.start()
    reason = reasons.get(timeout=60)
    source.close()
    watching.join(LIMIT_S)
    assert not watching.is_alive()
    assert source.reconnects == 0
    return reason


def test_a_refused_connection_is_told_at_once():
    with socket.socket() as bound:  # and not listening
        bound.bind(("127.0.0.1", 0))
        assert "connection refused" in first_fault(f"rtsp://127.0.0.1:{bound.getsockname()[1]}/camera")


def test_a_name_that_cannot_be_resolved_is_told_at_once():
    reason = first_fault("rtsp://admin:hunter2@camera.invalid/live")  # RFC 6761: no such name, ever
    assert "cannot be resolved" in reason
    assert "hunter2" not in reason


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("404 Not Found", "404"),
        ("400 Bad Request", "400"),
        ("461 Unsupported Transport", "4xx"),
        ("503 Service Unavailable", "5xx"),
    ],
)
def test_what_the_camera_answers_is_told_at_once(segment, status, said):
    with RtspCamera(segment, fps=20, status=status) as camera:
        assert said in first_fault(camera.url)


def test_a_port_that_speaks_something_else_is_told_at_once():
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet():
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")
                connection.recv(4096)

        threading.Thread(target=greet, daemon=True).start()
        assert "does not speak RTSP" in first_fault(f"rtsp://127.0.0.1:{server.getsockname()[1]}/camera")


def test_silence_is_told_with_the_time_waited(segment):
    with RtspCamera(segment, fps=20, silent=True) as camera:
        assert first_fault(camera.url, connect_timeout_s=0.3) == "no answer within 0.3 s"


def test_video_of_which_no_picture_can_be_decoded_is_told(segment):
    units = split_nal_units(segment)
    units[-8:] = [unit[:1] + b"\xff" * 40 for unit in units[-8:]]
    with RtspCamera(b"".join(b"\0\0\1" + unit for unit in units), fps=10) as camera:
        assert "no picture" in first_fault(camera.url, stall_timeout_s=0.5)


def test_a_camera_that_ends_its_stream_is_told(segment):
    with RtspCamera(segment, fps=1000) as camera:
        assert "ended the stream" in first_fault(camera.url)


def test_silent_camera_is_given_up_after_the_allowed_failures(segment):
    with RtspCamera(segment, fps=20, silent=True) as camera:
        source = RtspSource(camera.url, connect_timeout_s=0.2, max_failures=2, backoff=quick())
        began = time.monotonic()
        with pytest.raises(SourceError, match="after 2 tries"):
            next(source.frames())
    assert time.monotonic() - began < 5
    assert source.reconnects == 1


def test_close_takes_effect_at_once_while_the_camera_is_silent(segment):
    with RtspCamera(segment, fps=20, silent=True) as camera:
        source = RtspSource(camera.url, connect_timeout_s=LIMIT_S)
        threading.Timer(0.2, source.close).start()
        began = time.monotonic()
        assert list(source.frames()) == []
        assert time.monotonic() - began < LIMIT_S / 10


def test_slow_caller_gets_the_newest_frames_and_the_rest_are_counted(segment):
    with RtspCamera(segment, fps=100) as camera:
        source = RtspSource(camera.url, capacity=2, backoff=Backoff(5, 5))
        frames = source.frames()
        next(frames)
        deadline = time.monotonic() + LIMIT_S
        while source.dropped < 10 and time.monotonic() < deadline:
            time.sleep(0.05)
        behind_ms = time.time() * 1000 - next(frames).ts_ms
        source.close()
    assert source.dropped >= 10
    assert behind_ms < 5_000


@pytest.mark.parametrize("url", ["http://camera/stream", "/etc/hosts", "file:///etc/hosts", "camera"])
def test_other_addresses_are_refused(url):
    with pytest.raises(SourceError, match="rtsp://"):
        RtspSource(url)


def test_waits_grow_to_the_cap_and_start_over_after_a_success():
    backoff = Backoff(1, 8, random.Random(3))
    longest = [0.0] * 6
    for _ in range(300):
        backoff.reset()
        longest = [max(pair) for pair in zip(longest, [backoff.next_delay_s() for _ in range(6)], strict=True)]
    for bound, seen in zip([1, 2, 4, 8, 8, 8], longest, strict=True):
        assert 0.9 * bound < seen <= bound
