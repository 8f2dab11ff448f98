"""What independent decoders make of a file."""

import subprocess
from pathlib import Path

import numpy as np

CASES = Path(__file__).parents[2] / "data" / "field_cases"
CONTENT_TYPES = {".jpg": "image/jpeg", ".png": "image/png", ".mp4": "video/mp4", ".h264": "video/h264"}

_ACCURATE = "bicubic+accurate_rnd+full_chroma_inp+full_chroma_int"


def ffmpeg(*arguments):
    """Run ffmpeg, quietly; return what it writes to stdout."""
    return subprocess.run(
        ["ffmpeg", "-v", "error", "-nostdin", "-y", *map(str, arguments)], check=True, capture_output=True
    ).stdout


def ffmpeg_pictures(path, height, width, *options):
    """All pictures that ffmpeg shows, ``[N, height, width, 3]``; it turns them upright, ``options`` may scale them."""
    raw = ffmpeg(
        "-i",
        path,
        "-vsync",
        "passthrough",
        "-sws_flags",
        _ACCURATE,
        *options,
        "-pix_fmt",
        "rgb24",
        "-f",
        "rawvideo",
        "-",
    )
    return np.frombuffer(raw, np.uint8).reshape(-1, height, width, 3)


def coarse(image):
    """A picture's means over 8x8 pixels: versions of libav spread colours differently from pixel to pixel."""
    height, width, _ = image.shape
    return image.astype(float).reshape(height // 8, 8, width // 8, 8, 3).mean((1, 3))
