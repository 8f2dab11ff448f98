import struct
import zlib

import numpy as np
import pytest

from hermes_ray.config import VideoSettings
from hermes_ray.errors import MediaTooLarge, UndecodableMedia, UnsupportedMedia
from hermes_ray.video.codec import DecodeLimits, decode, encode_jpeg, encode_png
from hermes_ray.video.codec.formats.stills import read_png_header

LIMITS = DecodeLimits()


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width, height, rows, *extra):
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return (
        b"\x89PNG\r\n\x1a\n" + header + b"".join(extra) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")
    )


def one(payload, content_type, limits=LIMITS, **options):
    (frame,) = decode(payload, content_type, 1234, limits, **options)
    return frame


def test_png_written_by_hand_decodes_to_its_exact_pixels():
    pixels = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    frame = one(png(3, 2, b"".join(b"\0" + row.tobytes() for row in pixels)), "image/png")
    assert np.array_equal(frame.image, pixels)
    assert frame.ts_ms == 1234


def test_png_round_trip_is_exact(pictures):
    assert np.array_equal(one(encode_png(pictures[3]), "image/png").image, pictures[3])


@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (121, 163)])
def test_jpeg_round_trip_keeps_odd_sizes_and_looks_the_same(shape, psnr):
    smooth = np.linspace(30, 220, shape[0] * shape[1]).reshape(*shape, 1).repeat(3, axis=2).astype(np.uint8)
    frame = one(encode_jpeg(smooth, quality=95), "image/jpeg")
    assert frame.image.shape == (*shape, 3)
    assert psnr(frame.image, smooth) > 35


def test_jpeg_keeps_red_red_and_blue_blue():
    image = np.zeros((64, 64, 3), np.uint8)
    image[:, :32, 0] = image[:, 32:, 2] = 255
    decoded = one(encode_jpeg(image), "image/jpeg").image.astype(int)
    assert np.abs(decoded[:, :28] - [255, 0, 0]).max() < 12
    assert np.abs(decoded[:, 36:] - [0, 0, 255]).max() < 12


def test_jpeg_quality_trades_size_for_likeness(pictures, psnr):
    small, large = encode_jpeg(pictures[0], 20), encode_jpeg(pictures[0], 95)
    assert len(small) < len(large)
    assert psnr(one(small, "image/jpeg").image, pictures[0]) < psnr(one(large, "image/jpeg").image, pictures[0])


@pytest.mark.parametrize("encode, content_type", [(encode_jpeg, "image/jpeg"), (encode_png, "image/png")])
def test_still_cut_off_anywhere_is_refused(encode, content_type, pictures):
    payload = encode(pictures[0])
    for length in range(len(payload)):
        with pytest.raises(UndecodableMedia):
            list(decode(payload[:length], content_type, 0, LIMITS))


def test_bytes_behind_the_end_of_a_jpeg_are_ignored(pictures):
    assert one(encode_jpeg(pictures[0]) + bytes(100), "image/jpeg").image.shape == (120, 160, 3)


def test_flipped_bit_in_a_png_is_refused(pictures):
    payload = bytearray(encode_png(pictures[0]))
    payload[len(payload) // 2] ^= 1
    with pytest.raises(UndecodableMedia, match="checksum"):
        list(decode(bytes(payload), "image/png", 0, LIMITS))


def test_huge_png_is_refused_from_its_header_alone():
    bomb = png(60_000, 60_000, b"")
    with pytest.raises(MediaTooLarge, match=r"60000x60000.*video\.max_pixels"):
        decode(bomb, "image/png", 0, LIMITS)


def test_huge_jpeg_is_refused_from_its_header_alone(pictures):
    payload = bytearray(encode_jpeg(pictures[0]))
    frame_header = payload.index(b"\xff\xc0")
    payload[frame_header + 5 : frame_header + 9] = struct.pack(">HH", 65_000, 65_000)
    with pytest.raises(MediaTooLarge, match=r"65000x65000.*video\.max_pixels"):
        decode(bytes(payload), "image/jpeg", 0, LIMITS)


def test_compressed_text_in_a_png_never_reaches_the_decoder():
    bomb = chunk(b"zTXt", b"note\0\0" + zlib.compress(bytes(10_000_000), 9))
    payload = png(1, 1, b"\0abc", bomb)
    assert read_png_header(payload).payload == png(1, 1, b"\0abc")
    assert one(payload, "image/png").image.tolist() == [[[97, 98, 99]]]


def test_jpeg_with_hundreds_of_scans_is_refused(pictures):
    payload = encode_jpeg(pictures[0])
    scan = payload[payload.index(b"\xff\xda") : -2]
    with pytest.raises(UndecodableMedia, match="scans"):
        decode(payload[:-2] + 200 * scan + b"\xff\xd9", "image/jpeg", 0, LIMITS)


def test_payload_beyond_the_size_limit_is_refused_and_says_which_setting():
    with pytest.raises(MediaTooLarge, match=r"2000 bytes.*1024.*video\.max_encoded_bytes"):
        decode(bytes(2000), "image/png", 0, DecodeLimits.from_settings(VideoSettings(max_encoded_bytes=1024)))


@pytest.mark.parametrize("content_type", ["image/gif", "application/octet-stream", "", "video"])
def test_other_content_types_are_unsupported(content_type, pictures):
    with pytest.raises(UnsupportedMedia, match="image/jpeg"):
        decode(encode_png(pictures[0]), content_type, 0, LIMITS)


def test_content_type_names_the_decoder_whatever_the_bytes_are(pictures):
    with pytest.raises(UndecodableMedia, match="content-type"):
        decode(encode_png(pictures[0]), "image/jpeg", 0, LIMITS)
    with pytest.raises(UndecodableMedia, match="content-type"):
        decode(encode_jpeg(pictures[0]), "image/png", 0, LIMITS)


def test_content_type_parameters_and_case_do_not_matter(pictures):
    assert one(encode_png(pictures[0]), "Image/PNG; name=x").image.shape == (120, 160, 3)


def test_empty_payload_is_refused():
    with pytest.raises(UndecodableMedia, match="empty"):
        decode(b"", "image/jpeg", 0, LIMITS)


def test_frames_are_shrunk_on_request(pictures):
    assert one(encode_png(pictures[0]), "image/png", max_side_px=80).image.shape == (60, 80, 3)


@pytest.mark.parametrize("quality", [0, 101])
def test_impossible_quality_is_a_value_error(quality, pictures):
    with pytest.raises(ValueError, match="quality"):
        encode_jpeg(pictures[0], quality)


@pytest.mark.parametrize("image", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)])
def test_anything_but_uint8_rgb_is_a_value_error(image):
    with pytest.raises(ValueError, match="uint8 RGB"):
        encode_png(image)
