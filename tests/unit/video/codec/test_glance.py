"""A look at a decoded picture shows what the frame would, and spares its conversion."""

import io
from typing import Literal

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from hermes_ray.errors import UndecodableMedia
from hermes_ray.video.codec import DecodeLimits, SegmentEncoder, decode
from hermes_ray.video.codec.glance import Glance
from hermes_ray.video.world import Renderer, World

REGIONS = 36
Seen = tuple[NDArray[np.uint16], int, bytes]
"""Regions, pixels and thumbnail."""


def street(width: int = 640, height: int = 360, t_s: float = 3.0) -> NDArray[np.uint8]:
    return Renderer(World(2), width, height).render(t_s)


def jpeg(image: NDArray[np.uint8], orientation: int = 1, quality: int = 90) -> bytes:
    data, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(image).save(data, "JPEG", quality=quality, exif=exif)
    return data.getvalue()


def looked_at(payload: bytes, content_type: str = "image/jpeg", max_side_px: int | None = None) -> list[Seen]:
    """What a look sees of each frame; none is converted."""
    seen: list[Seen] = []

    def look(glance: Glance, ts_ms: int) -> bool:
        seen.append((glance.regions(REGIONS), glance.pixels, glance.thumbnail(80)))
        return False

    assert list(decode(payload, content_type, 0, DecodeLimits(), max_side_px=max_side_px, look=look)) == []
    return seen


def boxes(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Mean colours of 36 by 36 regions, by Pillow."""
    return np.asarray(Image.fromarray(image).resize((REGIONS, REGIONS), Image.Resampling.BOX), np.float64)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_regions_are_the_mean_colours_of_the_upright_picture(orientation: int):
    payload = jpeg(street(), orientation)
    ((regions, pixels, _),) = looked_at(payload)
    (frame,) = decode(payload, "image/jpeg", 0, DecodeLimits())
    difference = np.abs(regions / 257 - boxes(frame.image))
    assert regions.shape == (REGIONS, REGIONS, 3)
    assert difference.mean() < 1 and difference.max() < 6, "swscale weighs the pixels at a region's border otherwise"
    assert pixels == 640 * 360


def test_a_small_picture_has_no_more_regions_than_pixels_and_a_large_one_counts_as_it_would_be_shrunk():
    ((regions, pixels, _),) = looked_at(jpeg(street(20, 64)))
    assert (regions.shape, pixels) == ((REGIONS, 20, 3), 20 * 64)
    ((_, pixels, _),) = looked_at(jpeg(street()), max_side_px=320)
    assert pixels == 320 * 180


def test_a_thumbnail_is_the_upright_picture_made_smaller():
    payload = jpeg(street(), orientation=6)
    ((_, _, thumbnail),) = looked_at(payload)
    shown = Image.open(io.BytesIO(thumbnail)).convert("RGB")
    (frame,) = decode(payload, "image/jpeg", 0, DecodeLimits())
    expected = np.asarray(Image.fromarray(frame.image).resize((45, 80), Image.Resampling.BOX), np.float64)
    assert shown.size == (45, 80)
    assert np.abs(np.asarray(shown, np.float64) - expected).mean() < 6


@pytest.mark.parametrize("container", ["mp4", "h264"])
def test_of_a_segment_only_the_frames_that_are_wanted_are_yielded(container: Literal["mp4", "h264"]):
    encoder = SegmentEncoder(64, 48, 4, container=container)
    payload = encoder.encode([np.full((48, 64, 3), 20 * number, np.uint8) for number in range(8)])
    levels: list[float] = []

    def look(glance: Glance, ts_ms: int) -> bool:
        levels.append(float(glance.regions(REGIONS).mean() / 257))
        return len(levels) % 3 == 0

    frames = list(decode(payload, encoder.content_type, 0, DecodeLimits(), select=lambda ts_ms: ts_ms > 0, look=look))
    assert levels == pytest.approx([20 * number for number in range(1, 8)], abs=4)
    assert [frame.ts_ms for frame in frames] == [750, 1500]


def test_a_damaged_picture_is_an_error_also_where_it_shows_nothing_new():
    payload = jpeg(street())
    with pytest.raises(UndecodableMedia):
        list(decode(payload[: len(payload) // 2], "image/jpeg", 0, DecodeLimits(), look=lambda *_: False))
