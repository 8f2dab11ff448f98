import numpy as np
import pytest

from hermes_ray.video.codec import SegmentEncoder


@pytest.fixture(scope="session")
def pictures():
    """Twenty pictures of 160x120: gradients that move, so every frame and every place differs."""
    y, x = np.mgrid[:120, :160]
    return [np.stack([(x + 4 * i) % 256, (y + 2 * i) % 256, (x + y) // 2], -1).astype(np.uint8) for i in range(20)]


@pytest.fixture(scope="session")
def mp4(pictures):
    """The pictures at 10 fps."""
    return SegmentEncoder(160, 120, 10, "mp4").encode(pictures)


@pytest.fixture(scope="session")
def h264(pictures):
    """The pictures at 10 fps."""
    return SegmentEncoder(160, 120, 10, "h264").encode(pictures)


@pytest.fixture(scope="session")
def psnr():
    """Peak signal-to-noise ratio of two pictures, dB."""

    def measure(a, b):
        error = np.mean((a.astype(float) - b.astype(float)) ** 2)
        return 10 * np.log10(255**2 / error) if error else float("inf")

    return measure
