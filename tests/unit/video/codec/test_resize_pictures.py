import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hermes_ray.video.codec import resize, shrink


def test_resizing_a_gradient_gives_the_gradient_of_the_new_size():
    wide = np.linspace(0, 255, 400)[None, :, None].repeat(100, 0).repeat(3, 2).astype(np.uint8)
    small = resize(wide, 25, 100).astype(float)
    assert small.shape == (25, 100, 3)
    expected = wide.reshape(25, 4, 100, 4, 3).mean(axis=(1, 3))
    assert np.abs(small - expected).max() <= 2


def test_shrinking_averages_fine_structure_instead_of_missing_it():
    stripes = np.zeros((128, 128, 3), np.uint8)
    stripes[:, ::4] = 240
    small = shrink(stripes, 32)
    assert np.abs(small.astype(int) - 60).max() <= 2


def test_resizing_keeps_channels_apart():
    image = np.full((40, 60, 3), (200, 20, 90), np.uint8)
    for height, width in [(17, 31), (80, 120), (1, 1)]:
        assert np.abs(resize(image, height, width).astype(int) - (200, 20, 90)).max() <= 2


@settings(max_examples=60, deadline=None)
@given(height=st.integers(1, 300), width=st.integers(1, 300), longest=st.integers(1, 320))
def test_shrink_keeps_the_aspect_and_never_enlarges(height, width, longest):
    small = shrink(np.zeros((height, width, 3), np.uint8), longest)
    assert max(small.shape[:2]) == min(longest, max(height, width))
    scale = max(small.shape[:2]) / max(height, width)
    assert abs(small.shape[0] - height * scale) <= 1
    assert abs(small.shape[1] - width * scale) <= 1


def test_picture_that_fits_is_returned_as_it_is():
    image = np.arange(300, dtype=np.uint8).reshape(10, 10, 3)
    assert np.array_equal(shrink(image, 10), image)


def test_array_with_strides_is_resized_like_its_copy():
    image = np.random.default_rng(1).integers(0, 255, (40, 60, 3), dtype=np.uint8)
    assert np.array_equal(resize(image[::-1, ::2], 10, 10), resize(image[::-1, ::2].copy(), 10, 10))


@pytest.mark.parametrize("height, width", [(0, 5), (5, -1)])
def test_impossible_size_is_a_value_error(height, width):
    with pytest.raises(ValueError, match="cannot be made"):
        resize(np.zeros((4, 4, 3), np.uint8), height, width)
