import itertools
import subprocess
import threading
import time

import numpy as np
import pytest
from PIL import Image

from hermes_ray.errors import SourceError
from hermes_ray.video.sources.file import FileSource
from tests.unit.video.oracles import CASES


@pytest.fixture
def clip(mp4, tmp_path):
    """Two seconds at 10 fps."""
    path = tmp_path / "clip.mp4"
    path.write_bytes(mp4)
    return path


def test_file_gives_every_picture_with_its_time(clip, pictures, psnr):
    frames = list(FileSource(clip, start_ts_ms=5_000).frames())
    assert [frame.ts_ms for frame in frames] == list(range(5_000, 7_000, 100))
    assert min(psnr(frame.image, image) for frame, image in zip(frames, pictures, strict=True)) > 35


def test_looped_file_goes_on_in_time(clip):
    frames = itertools.islice(FileSource(clip, loop=True, start_ts_ms=0).frames(), 50)
    assert [frame.ts_ms for frame in frames] == list(range(0, 5_000, 100))


def test_start_time_is_now_by_default(clip):
    before = time.time() * 1000
    assert before - 1 <= next(FileSource(clip).frames()).ts_ms <= time.time() * 1000 + 1


def test_realtime_file_is_paced_by_its_own_clock(clip):
    began = time.monotonic()
    arrivals = [time.monotonic() - began for _ in itertools.islice(FileSource(clip, realtime=True).frames(), 6)]
    assert arrivals[-1] >= 0.45


def test_close_from_another_thread_ends_a_waiting_source(clip):
    source = FileSource(clip, loop=True, realtime=True)
    threading.Timer(0.25, source.close).start()
    assert list(source.frames())


def test_frames_are_shrunk_on_request(clip):
    assert next(FileSource(clip, max_side_px=80).frames()).image.shape == (60, 80, 3)


@pytest.mark.parametrize("name", ["matrix_r90.mp4", "matrix_vflip.mp4", "sar_half_d1.mp4"])
def test_frames_are_upright_and_in_their_true_shape(name, tmp_path):
    shown = next(FileSource(CASES / name).frames()).image
    raw = ["-noautorotate", "-i", str(CASES / name)]
    rotated = ["-i", str(CASES / name), "-vf", "scale=iw*sar:ih,setsar=1"]
    expected, untouched = (first_picture(arguments, tmp_path / "shown.png") for arguments in (rotated, raw))
    assert shown.shape == expected.shape
    assert differ(shown, expected) < 4
    assert untouched.shape != shown.shape or differ(untouched, shown) > 10


def first_picture(arguments, file):
    """As ffmpeg shows it."""
    subprocess.run(["ffmpeg", "-v", "error", "-y", *arguments, "-frames:v", "1", str(file)], check=True)
    return np.asarray(Image.open(file).convert("RGB"))


def differ(one, other):
    return float(np.abs(one.astype(int) - other.astype(int)).mean())


def test_only_the_frames_that_are_wanted_come_and_each_is_asked_about_once(clip, pictures, psnr):
    asked = []

    def keep(ts_ms):
        asked.append(ts_ms)
        return ts_ms % 700 == 0

    frames = list(FileSource(clip, start_ts_ms=0, keep=keep).frames())
    assert asked == list(range(0, 2_000, 100))
    assert [frame.ts_ms for frame in frames] == [0, 700, 1400]
    assert min(psnr(frame.image, pictures[index]) for frame, index in zip(frames, (0, 7, 14), strict=True)) > 35


@pytest.mark.parametrize("content", [None, b"", b"no video at all"])
def test_missing_or_foreign_file_is_a_source_error_that_names_it(content, tmp_path):
    path = tmp_path / "broken.mp4"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SourceError, match=r"broken\.mp4"):
        list(FileSource(path).frames())
