"""Files as cameras and muxers make them: what is taken, with ffmpeg's and Pillow's pixels, and what is refused."""

import numpy as np
import pytest
from PIL import Image, ImageOps

from hermes_ray.errors import MediaTooLarge, UndecodableMedia
from hermes_ray.video.codec import DecodeLimits, decode
from tests.unit.video.oracles import CASES, CONTENT_TYPES, coarse, ffmpeg_pictures

LIMITS = DecodeLimits()
TEN_FPS = range(0, 2000, 100)


def open_case(name):
    path = CASES / name
    return decode(path.read_bytes(), CONTENT_TYPES[path.suffix], 0, LIMITS)


@pytest.mark.parametrize(
    "name, times, skipped",
    [
        ("sei_truncated.h264", TEN_FPS, 0),
        ("sei_truncated.mp4", TEN_FPS, 0),
        ("aud_trailing.h264", TEN_FPS, 0),
        ("trailing_next_ps.h264", TEN_FPS, 0),
        ("trailing_next_sei.h264", TEN_FPS, 0),
        ("sample_without_picture.mp4", [ms for ms in TEN_FPS if ms != 700], 0),
        ("hevc_open_gop_fragment_1.mp4", range(0, 900, 100), 3),
        ("hevc_open_gop_fragment_2.mp4", range(0, 900, 100), 1),
        ("avc_open_gop_segment_3.h264", range(0, 1000, 100), 1),
        ("avc_open_gop_segment_3.mp4", range(0, 1000, 100), 1),
        ("intra_refresh_cut.mp4", range(800, 2000, 100), 8),
        ("vui_1fps.h264", range(0, 2000, 40), 0),
        ("vui_45000fps.h264", range(0, 2000, 40), 0),
        ("matrix_vflip.mp4", range(0, 500, 100), 0),
        ("matrix_r90.mp4", range(0, 500, 100), 0),
    ],
)
def test_segment_is_read_as_players_read_it(name, times, skipped, psnr):
    decoding = open_case(name)
    frames = list(decoding)
    assert [frame.ts_ms for frame in frames] == list(times)
    assert decoding.skipped == skipped
    expected = ffmpeg_pictures(CASES / name, frames[0].height, frames[0].width)
    assert len(expected) == len(frames)
    assert min(psnr(coarse(frame.image), coarse(picture)) for frame, picture in zip(frames, expected, strict=True)) > 33


@pytest.mark.parametrize("name", ["sar_half_d1.h264", "sar_half_d1.mp4"])
def test_pixels_that_are_not_square_are_shown_in_their_true_shape(name, psnr):
    frames = list(open_case(name))
    assert {frame.image.shape for frame in frames} == {(576, 768, 3)}
    expected = ffmpeg_pictures(CASES / name, 576, 768, "-vf", "scale=iw*sar:ih")
    assert min(psnr(coarse(frame.image), coarse(picture)) for frame, picture in zip(frames, expected, strict=True)) > 33


def test_resolution_that_changes_with_a_new_sequence_changes_the_frames():
    shapes = [frame.image.shape for frame in open_case("resolution_switch.h264")]
    assert shapes == [(240, 320, 3)] * 10 + [(120, 160, 3)] * 10


@pytest.mark.parametrize(
    "name",
    [*(f"exif_{value}.jpg" for value in range(1, 9)), "exif_short_app1.jpg", "pad_before_marker.jpg", "png_exif6.png"],
)
def test_still_is_read_as_pillow_reads_it(name, psnr):
    (frame,) = open_case(name)
    with Image.open(CASES / name) as picture:
        expected = np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))
    assert frame.image.shape == expected.shape
    assert psnr(frame.image, expected) > 35


@pytest.mark.parametrize(
    "name, error, reason",
    [
        ("no_sps_idr.h264", UndecodableMedia, r"lacks the parameter sets \(SPS and PPS\).*dump_extra"),
        ("m4s_without_init.mp4", UndecodableMedia, r"without its initialization segment.*cat init\.mp4"),
        ("no_eoi.jpg", UndecodableMedia, "cut off: its end marker"),
        ("timelapse_20s.mp4", MediaTooLarge, r"80\.000 s.*send shorter segments.*max_segment_seconds"),
    ],
)
def test_what_cannot_be_used_is_refused_with_cause_and_remedy(name, error, reason):
    with pytest.raises(error, match=reason):
        open_case(name)
