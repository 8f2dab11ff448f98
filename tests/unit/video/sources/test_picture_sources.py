"""Directories of pictures, webcams, and what of a picture is shown."""

import itertools

import numpy as np
import pytest
from PIL import Image

from hermes_ray.errors import SourceError
from hermes_ray.video.frame import Frame
from hermes_ray.video.framing import Framing, Region
from hermes_ray.video.sources.cameras.webcam import WebcamSource, is_webcam
from hermes_ray.video.sources.directory import PictureDirectory


@pytest.fixture
def directory(tmp_path):
    for name, shade in {"9.png": 20, "10.jpg": 100, "100.JPEG": 200}.items():
        kind = "PNG" if name.endswith("png") else "JPEG"
        Image.fromarray(np.full((16, 16, 3), shade, np.uint8)).save(tmp_path / name, kind)
    (tmp_path / "11.jpg").write_bytes(b"\xff\xd8 no picture")
    (tmp_path / "notes.txt").write_text("not a picture")
    return tmp_path


def test_pictures_come_in_the_order_of_their_numbers_at_the_frame_rate(directory):
    source = PictureDirectory(directory, fps=4, start_ts_ms=1000)
    frames = list(source.frames())
    assert [round(float(frame.image.mean())) for frame in frames] == [20, 100, 200]
    assert [frame.ts_ms for frame in frames] == [1000, 1250, 1500]
    assert source.damaged == 1


def test_a_looped_directory_shows_what_is_there_in_each_round(directory):
    frames = PictureDirectory(directory, fps=4, start_ts_ms=0, loop=True).frames()
    assert len(list(itertools.islice(frames, 3))) == 3
    (directory / "9.png").unlink()
    assert [round(float(frame.image.mean())) for frame in itertools.islice(frames, 3)] == [100, 200, 100]
    assert next(frames).ts_ms == 1500


def test_a_directory_without_pictures_says_what_belongs_there(tmp_path):
    with pytest.raises(SourceError, match=r"\.jpg or \.png"):
        next(PictureDirectory(tmp_path, fps=4).frames())
    with pytest.raises(SourceError, match="cannot read the directory"):
        next(PictureDirectory(tmp_path / "gone", fps=4).frames())


@pytest.mark.parametrize(("device", "said"), [("/dev/video4242", "plug the camera in"), ("/dev/null", "no camera")])
def test_a_device_that_is_no_camera_is_told(device, said):
    with pytest.raises(SourceError, match=said):
        next(WebcamSource(device, max_failures=1).frames())


def test_a_webcam_is_known_by_its_path():
    assert is_webcam("/dev/video0")
    assert is_webcam("/dev/v4l/by-id/usb-046d-video-index0")
    assert not is_webcam("/dev/videos/film.mp4")


def test_a_mask_hides_whatever_it_touches_also_behind_a_crop():
    image = np.full((10, 10, 3), 255, np.uint8)
    framing = Framing(Region(0.5, 0, 1, 1), (Region(0.55, 0.55, 0.75, 0.75),))
    shown = framing.apply(Frame(image, 7))
    expected = np.full((10, 5, 3), 255, np.uint8)
    expected[5:8, 0:3] = 0  # of the whole picture, rows and columns 5.5 to 7.5
    assert np.array_equal(shown.image, expected)
    assert shown.ts_ms == 7
    assert image.min() == 255  # a source may show it again


@pytest.mark.parametrize("edges", [(0.5, 0, 0.5, 1), (-0.1, 0, 1, 1), (0, 0, 1, 1.1), (0, 0, 1, float("nan"))])
def test_an_impossible_region_is_refused(edges):
    with pytest.raises(ValueError, match="left < right"):
        Region(*edges)
