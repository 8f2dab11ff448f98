"""Capture times of a camera that has only a relative clock: what the network does to its pictures must not show."""

import itertools
from fractions import Fraction

import av
import pytest

from hermes_ray.video.sources.cameras.capture_clock import CaptureClock

START_MS = 1_700_000_000_000


def capture_times(arrivals_ms, presented_ms, restarts=()) -> list[int]:
    """Capture times, ms after the start, of pictures that arrive then and carry those presentation times."""
    clock = CaptureClock(iter([START_MS + arrival for arrival in arrivals_ms]).__next__)
    times = []
    for index, presented in enumerate(presented_ms):
        picture = av.VideoFrame(16, 16, "rgb24")
        picture.pts, picture.time_base = presented * 90, Fraction(1, 90_000)
        if index in restarts:
            clock.restart()
        times.append(clock.capture_ms(picture) - START_MS)
    return times


def test_jitter_of_the_network_does_not_show():
    assert capture_times([0, 70, 80, 190, 210], [500, 550, 600, 650, 700]) == [0, 50, 100, 150, 200]


@pytest.mark.parametrize("stall_ms", [1500, 9000])
def test_what_an_outage_held_up_keeps_its_own_time(stall_ms):
    taken = list(range(0, 30_000, 40))
    # From second 5 on nothing comes; then all that was kept at once, 5 ms apart, until the camera is live again.
    arrivals, free_ms = [], -5
    for time_ms in taken:
        held_ms = 5000 + stall_ms if 5000 <= time_ms < 5000 + stall_ms else time_ms
        free_ms = max(held_ms, free_ms + 5)
        arrivals.append(free_ms)
    assert capture_times(arrivals, taken) == taken


def test_after_a_reconnection_times_are_those_of_arrival():
    taken = [0, 40, 80, 70_000, 70_040]
    assert capture_times(taken, [0, 40, 80, 0, 40], restarts=[3]) == taken


def test_a_clock_that_jumps_back_for_good_is_given_up():
    arrivals = list(range(0, 40_000, 100))
    presented = [time_ms if time_ms < 5000 else time_ms - 8000 for time_ms in arrivals]
    times = capture_times(arrivals, presented)
    assert times[-100:] == arrivals[-100:]
    assert all(earlier < later for earlier, later in itertools.pairwise(times))


@pytest.mark.parametrize("jump_ms", [-3_600_000, 5_000, 3_600_000])
def test_a_clock_that_jumps_far_is_given_up_at_once(jump_ms):
    arrivals = list(range(0, 10_000, 100))
    presented = [time_ms if time_ms < 5000 else time_ms + jump_ms for time_ms in arrivals]
    assert capture_times(arrivals, presented) == arrivals


def test_a_clock_that_runs_slow_never_parts_by_more_than_a_second():
    arrivals = list(range(0, 100_000_000, 10_000))
    times = capture_times(arrivals, [time_ms * 9999 // 10_000 for time_ms in arrivals])
    assert max(arrival - time for arrival, time in zip(arrivals, times, strict=True)) < 1_012
