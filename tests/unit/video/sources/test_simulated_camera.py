import itertools
import threading
import time

import numpy as np

from hermes_ray.video.sources.simulated import SimulatedCamera


def test_frames_carry_capture_times_at_the_frame_rate():
    camera = SimulatedCamera(1, fps=4, width=64, height=48, start_ts_ms=1_000_000, seconds=1.5)
    frames = list(camera.frames())
    assert [frame.ts_ms for frame in frames] == [1_000_000 + 250 * i for i in range(6)]
    assert all(frame.image.shape == (48, 64, 3) and frame.image.dtype == np.uint8 for frame in frames)


def test_same_seed_films_the_same_pictures():
    first, second = (SimulatedCamera(9, width=64, height=48, seconds=3).frames() for _ in range(2))
    assert all(np.array_equal(a.image, b.image) for a, b in zip(first, second, strict=True))


def test_truth_is_about_the_frame_that_was_filmed():
    camera = SimulatedCamera(3, fps=1, width=96, height=96, start_ts_ms=5_000, seconds=40)
    for frame in camera.frames():
        sightings = camera.truth.in_view(camera.world_time_s(frame.ts_ms))
        if len(sightings) == 1 and sightings[0].colour == "red" and 0.3 < sightings[0].x < 0.7:
            y, x = int(sightings[0].y * 96), int(sightings[0].x * 96)
            patch = frame.image[y - 6 : y + 6, x - 6 : x + 6].reshape(-1, 3).astype(int)
            assert (patch[:, 0] - patch[:, 2]).max() > 40


def test_realtime_frames_come_when_they_are_due():
    camera = SimulatedCamera(1, fps=20, width=32, height=32, realtime=True, seconds=0.5)
    began = time.monotonic()
    assert len(list(camera.frames())) == 10
    assert time.monotonic() - began >= 0.44


def test_closing_from_another_thread_ends_a_waiting_camera():
    camera = SimulatedCamera(1, fps=0.1, width=32, height=32, realtime=True)
    threading.Timer(0.1, camera.close).start()
    began = time.monotonic()
    assert len(list(camera.frames())) == 1
    assert time.monotonic() - began < 8, "the next frame is due after ten seconds"


def test_an_endless_camera_can_be_read_in_part():
    frames = list(itertools.islice(SimulatedCamera(1, width=32, height=32).frames(), 200))
    assert len({frame.ts_ms for frame in frames}) == 200
