"""All eight orientations, wherever they are written: Exif in JPEG and PNG, matrices in mp4, SEI in H.264."""

import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageOps

from hermes_ray.errors import UndecodableMedia
from hermes_ray.video.codec import DecodeLimits, decode
from tests.unit.video.codec.muxing import ffmpeg_segment
from tests.unit.video.oracles import coarse, ffmpeg, ffmpeg_pictures

LIMITS = DecodeLimits()
ONE = 1 << 16
MATRICES = {  # a, b, c, d
    "upright": (1, 0, 0, 1),
    "mirrored": (-1, 0, 0, 1),
    "upside down": (-1, 0, 0, -1),
    "mirrored upside down": (1, 0, 0, -1),
    "transposed": (0, 1, 1, 0),
    "turned clockwise": (0, 1, -1, 0),
    "transversed": (0, -1, -1, 0),
    "turned counter-clockwise": (0, -1, 1, 0),
}


@pytest.fixture(scope="module")
def corners():
    """A picture of 64x48 whose corners differ in colour, so that no orientation looks like another."""
    image = np.full((48, 64, 3), 90, np.uint8)
    image[:16, :24] = [250, 20, 20]
    image[:16, 40:] = [20, 250, 20]
    image[32:, :24] = [20, 20, 250]
    return image


def one(payload, content_type):
    (frame,) = decode(payload, content_type, 0, LIMITS)
    return frame.image


def still(image, kind, exif):
    buffer = io.BytesIO()
    options = {"quality": 95, "subsampling": 0} if kind == "JPEG" else {}
    Image.fromarray(image).save(buffer, kind, exif=exif, **options)
    return buffer.getvalue()


def tiff(order, *entries, directory=8):
    """A TIFF block with short values."""
    head = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(order + "I", directory)
    block = struct.pack(order + "H", len(entries))
    for tag, kind, count, value in entries:
        block += struct.pack(order + "HHIHH", tag, kind, count, value, 0)
    return head + bytes(directory - 8) + block + bytes(4)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("value", range(1, 9))
def test_still_is_turned_as_pillow_turns_it(value, kind, order, corners, psnr):
    # Another tag first, and a directory that does not come at once.
    block = tiff(order, (0x0100, 3, 1, 64), (0x0112, 3, 1, value), directory=26)
    payload = still(corners, kind, b"Exif\0\0" + block)
    with Image.open(io.BytesIO(payload)) as picture:
        assert picture.getexif()[0x0112] == value
        expected = np.asarray(ImageOps.exif_transpose(picture))
    image = one(payload, f"image/{kind.lower()}")
    assert image.shape == expected.shape
    assert psnr(image, expected) > 30


@pytest.mark.parametrize(
    "block",
    [
        b"",
        b"II*\0",
        tiff("<", (0x0112, 3, 1, 0)),
        tiff("<", (0x0112, 3, 1, 9)),
        tiff("<", (0x0112, 4, 1, 6)),
        tiff("<", (0x0112, 3, 1, 6))[:12],
        tiff("<", (0x0112, 3, 1, 6)).replace(struct.pack("<I", 8), struct.pack("<I", 0xFFFFFFF0), 1),
        b"II*\0" + struct.pack("<IH", 8, 0xFFFF) + bytes(24),
    ],
    ids=["empty", "short", "zero", "nine", "wrong type", "cut off", "far away", "too many entries"],
)
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_exif_that_makes_no_sense_says_nothing(block, kind, corners):
    payload = still(corners, kind, b"Exif\0\0" + (block or b"\0"))
    assert one(payload, f"image/{kind.lower()}").shape == (48, 64, 3)


def with_matrix(mp4, box, matrix):
    """The mp4 with another matrix in its track's or movie's header, version 0 (ISO/IEC 14496-12, 8.2.2 and 8.3.2)."""
    a, b, c, d = (ONE * value for value in matrix)
    start = mp4.index(box) + 4 + {b"tkhd": 40, b"mvhd": 36}[box]
    new = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    assert mp4[start : start + 36] == struct.pack(">9i", ONE, 0, 0, 0, ONE, 0, 0, 0, 1 << 30)
    return mp4[:start] + new + mp4[start + 36 :]


@pytest.mark.parametrize("box", [b"tkhd", b"mvhd"])
@pytest.mark.parametrize("matrix", MATRICES.values(), ids=MATRICES)
def test_mp4_is_turned_as_its_matrix_says(matrix, box, psnr):
    mp4 = ffmpeg_segment("mp4", "libx264", count=2)
    (stored, *_) = [frame.image for frame in decode(mp4, "video/mp4", 0, LIMITS)]
    image = next(decode(with_matrix(mp4, box, matrix), "video/mp4", 0, LIMITS)).image
    # Every pixel moves to where the matrix sends it.
    a, b, c, d = matrix
    y, x = np.mgrid[: stored.shape[0], : stored.shape[1]]
    across, down = a * x + c * y, b * x + d * y
    expected = np.zeros((np.ptp(down) + 1, np.ptp(across) + 1, 3), np.uint8)
    expected[down - down.min(), across - across.min()] = stored
    assert np.array_equal(image, expected)


def test_matrices_of_track_and_movie_add_up():
    mp4 = ffmpeg_segment("mp4", "libx264", count=2)
    clockwise, back = MATRICES["turned clockwise"], MATRICES["turned counter-clockwise"]
    turned = with_matrix(with_matrix(mp4, b"tkhd", clockwise), b"mvhd", back)
    plain, image = (next(decode(each, "video/mp4", 0, LIMITS)).image for each in (mp4, turned))
    assert np.array_equal(plain, image)


@pytest.mark.parametrize("flip", ["", "horizontal", "vertical"])
@pytest.mark.parametrize("angle", [0, 90, 180, 270])
def test_display_orientation_sei_is_obeyed(angle, flip, tmp_path, psnr):
    path = tmp_path / "turned.h264"
    source = tmp_path / "plain.h264"
    source.write_bytes(ffmpeg_segment("h264", "libx264", count=3))
    options = f"display_orientation=insert:rotate={angle}" + (f":flip={flip}" if flip else "")
    ffmpeg("-i", source, "-c", "copy", "-bsf:v", f"h264_metadata={options}", path)
    stored = next(decode(source.read_bytes(), "video/h264", 0, LIMITS)).image
    image = next(decode(path.read_bytes(), "video/h264", 0, LIMITS)).image
    # Flipped first, then turned counter-clockwise (ITU-T H.264, D.2.26).
    expected = {"": stored, "horizontal": stored[:, ::-1], "vertical": stored[::-1]}[flip]
    assert np.array_equal(image, np.rot90(expected, angle // 90))


def test_turned_video_looks_as_ffmpeg_shows_it(tmp_path, psnr):
    path = tmp_path / "turned.mp4"
    path.write_bytes(with_matrix(ffmpeg_segment("mp4", "libx264", count=2), b"tkhd", MATRICES["turned clockwise"]))
    (frame, _) = decode(path.read_bytes(), "video/mp4", 0, LIMITS)
    assert psnr(coarse(frame.image), coarse(ffmpeg_pictures(path, 320, 240)[0])) > 33


@pytest.mark.parametrize("padding", [1, 3, 16])
def test_bytes_between_the_segments_of_a_jpeg_are_passed_over(padding, corners, psnr):
    payload = still(corners, "JPEG", b"")
    tables = payload.index(b"\xff\xdb")
    padded = payload[:tables] + padding * b"\0" + payload[tables:]
    with Image.open(io.BytesIO(padded)) as picture:
        assert psnr(one(padded, "image/jpeg"), np.asarray(picture)) > 35
    with pytest.raises(UndecodableMedia, match="no marker"):
        one(payload[:tables] + 100 * b"\0" + payload[tables:], "image/jpeg")
