"""Resizing RGB pictures with libswscale."""

import av
import numpy as np
from av.video.reformatter import Interpolation
from numpy.typing import NDArray

# Area averaging is what keeps thin structure when shrinking.
SHRINKING = Interpolation.AREA | Interpolation.ACCURATE_RND


def resize(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Return ``image`` scaled to exactly ``height`` x ``width``, the aspect ratio not kept.

    Args:
        image: ``[H, W, 3]`` uint8 RGB.
        height: of the result, pixels, at least 1.
        width: of the result, pixels, at least 1.

    Raises:
        ValueError: the image is not ``[H, W, 3]`` uint8, or the size is not positive.
    """
    if height < 1 or width < 1:
        raise ValueError(f"a picture of {width}x{height} pixels cannot be made")
    if image.shape[:2] == (height, width):
        return image
    return to_rgb(to_video_frame(image), (width, height))


def shrink(image: NDArray[np.uint8], max_side_px: int) -> NDArray[np.uint8]:
    """Return ``image`` scaled down so that its longer side is at most ``max_side_px``; a smaller one unchanged.

    Args:
        image: ``[H, W, 3]`` uint8 RGB.
        max_side_px: longest side allowed, pixels.
    """
    width, height = fit(image.shape[1], image.shape[0], max_side_px)
    return resize(image, height, width)


def fit(width: int, height: int, max_side_px: int | None) -> tuple[int, int]:
    """Return (width, height) with the same aspect ratio, neither side above ``max_side_px``, neither below 1."""
    longer = max(width, height)
    if max_side_px is None or longer <= max_side_px:
        return width, height
    return max(1, round(width * max_side_px / longer)), max(1, round(height * max_side_px / longer))


def to_video_frame(image: NDArray[np.uint8]) -> av.VideoFrame:
    """Wrap an ``[H, W, 3]`` uint8 RGB array as a libav frame.

    Raises:
        ValueError: any other shape or dtype.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or 0 in image.shape:
        raise ValueError(f"expected a uint8 RGB picture [H, W, 3], got {image.dtype} {list(image.shape)}")
    return av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")


def to_rgb(picture: av.VideoFrame, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Convert a decoded picture to ``[H, W, 3]`` uint8 RGB of ``size`` (width, height) in one pass."""
    # The accuracy flags: without them swscale takes shortcuts in chroma that differ between CPUs.
    shrinking = size[0] * size[1] < picture.width * picture.height
    flags = SHRINKING if shrinking else Interpolation.BICUBIC | Interpolation.ACCURATE_RND
    flags |= Interpolation.FULL_CHR_H_INT | Interpolation.BITEXACT
    rgb = picture.reformat(width=size[0], height=size[1], format="rgb24", interpolation=flags)
    return np.ascontiguousarray(rgb.to_ndarray(), dtype=np.uint8)
