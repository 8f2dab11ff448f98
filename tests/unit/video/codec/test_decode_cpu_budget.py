"""However small a payload is, decoding it takes a bounded share of a processor."""

import time

import pytest

from hermes_ray.config import VideoSettings
from hermes_ray.errors import MediaTooLarge
from hermes_ray.video.codec import DecodeLimits, decode
from hermes_ray.video.codec.cpu_budget import CpuBudget
from tests.unit.video.codec.muxing import ffmpeg_segment

BLANK = "color=c=black:size=3840x2160:rate=30"


def test_blank_4k_pictures_in_a_few_kilobytes_end_with_the_budget():
    bomb = ffmpeg_segment("mp4", "libx264", "-preset", "veryfast", count=60, source=BLANK)
    assert len(bomb) < 30_000
    one = ffmpeg_segment("mp4", "libx264", "-preset", "veryfast", count=1, source=BLANK)
    began_s = time.thread_time()
    assert len(list(decode(one, "video/mp4", 0, DecodeLimits(), max_side_px=640))) == 1
    one_s = time.thread_time() - began_s
    limits = DecodeLimits(max_load=4 * one_s)  # for two seconds of video: enough for about eight such pictures
    decoded = 0

    def count(ts_ms):
        nonlocal decoded
        decoded += 1
        return True

    with pytest.raises(MediaTooLarge, match=r"CPU time.*video\.max_decode_load"):
        list(decode(bomb, "video/mp4", 0, limits, max_side_px=640, select=count))
    assert 0 < decoded < 60


class Processor:
    """A clock of CPU time that the test moves."""

    def __init__(self):
        self.seconds = 0.0

    def __call__(self):
        return self.seconds


@pytest.mark.parametrize("video_s, allowed_s", [(0, 0.5), (0.1, 0.5), (1, 0.5), (4, 2)])
def test_budget_grows_with_the_video_from_one_seconds_worth_on(video_s, allowed_s):
    processor = Processor()
    budget = CpuBudget(0.5, processor)
    budget.lasts(video_s)
    for _ in range(4):
        with budget.spending():
            processor.seconds += allowed_s / 4
    with pytest.raises(MediaTooLarge, match=f"more than {allowed_s:g} s"), budget.spending():
        processor.seconds += 0.01


def test_time_that_the_caller_takes_between_frames_is_not_counted():
    processor = Processor()
    budget = CpuBudget(1.0, processor)
    for _ in range(10):
        with budget.spending():
            processor.seconds += 0.05
        processor.seconds += 100


def test_error_inside_is_not_replaced_by_the_budgets():
    processor = Processor()
    budget = CpuBudget(1.0, processor)
    with pytest.raises(ValueError, match="the real cause"), budget.spending():
        processor.seconds += 5
        raise ValueError("the real cause")


def test_setting_is_the_limit():
    assert DecodeLimits.from_settings(VideoSettings(max_decode_load=0.25)).max_load == 0.25
