"""Against a real RTSP camera on a local port: ``rtsp_server.py``."""

import itertools
import random
import threading
import time

import pytest
from rtsp_server import RtspCamera

from hermes_ray.errors import SourceError
from hermes_ray.video.codec import SegmentEncoder
from hermes_ray.video.sources.backoff import Backoff
from hermes_ray.video.sources.rtsp import RtspSource


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
        address = probe.server_address
        url = probe.url
    source = RtspSource(url, backoff=quick())
    opened = []

    def boot():
        time.sleep(0.3)
        opened.append(RtspCamera(segment, fps=20, port=address[1]).__enter__())

    booting = threading.Thread(target=boot)
    booting.start()
    assert next(source.frames()).image.shape == (120, 160, 3)
    booting.join()
    opened[0].__exit__()
    assert source.reconnects >= 1


def test_refused_credentials_end_at_once_and_are_not_shown(segment):
    with RtspCamera(segment, fps=20, locked=True) as camera:
        source = RtspSource(camera.url.replace("rtsp://", "rtsp://admin:hunter2@") + "?token=s3cret")
        with pytest.raises(SourceError, match="401") as caught:
            next(source.frames())
    assert "hunter2" not in str(caught.value)
    assert "s3cret" not in str(caught.value)


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
        source = RtspSource(camera.url, connect_timeout_s=3)
        threading.Timer(0.2, source.close).start()
        began = time.monotonic()
        assert list(source.frames()) == []
        assert time.monotonic() - began < 1.5


def test_slow_caller_gets_the_newest_frames_and_the_rest_are_counted(segment):
    with RtspCamera(segment, fps=100) as camera:
        source = RtspSource(camera.url, capacity=2, backoff=Backoff(5, 5))
        frames = source.frames()
        next(frames)
        deadline = time.monotonic() + 10
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
