"""Noise, compression, slow light and a trembling camera are no news; a small thing is, however little it changes."""

import io
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from hermes_ray.engine.encoding.waiting.change import ChangeDetector, differs, small_picture
from hermes_ray.engine.residency.reference import Reference
from hermes_ray.video.codec import DecodeLimits, SegmentEncoder, decode
from hermes_ray.video.world import Condition, Renderer, Traffic, World

Picture = NDArray[np.uint8]
SIZES = [(72, 72), (240, 320), (360, 640)]
HOUR_MS = 3_600_000


@cache
def scene(height: int, width: int) -> NDArray[np.float64]:
    """A street without anything that moves, without noise: dark, bright and textured parts."""
    world = World(5, Traffic(quiet_share=1.0))
    pictures = [Renderer(world, width, height).render(t_s / 10).astype(float) for t_s in range(16)]
    mean = np.mean(pictures, axis=0)
    mean.setflags(write=False)  # every test sees the same
    return mean


def as_picture(levels: NDArray[np.float64]) -> Picture:
    return np.clip(levels.round(), 0, 255).astype(np.uint8)


def is_news(before: NDArray[np.float64], now: NDArray[np.float64]) -> bool:
    return differs(small_picture(as_picture(before)).cells, small_picture(as_picture(now)))


def noisy(levels: NDArray[np.float64], std: float, seed: int) -> NDArray[np.float64]:
    return levels + np.random.default_rng(seed).normal(0, std, levels.shape)


def with_thing(levels: NDArray[np.float64], share: float, colour: tuple[int, int, int]) -> NDArray[np.float64]:
    """Something that covers so much of both sides of the picture."""
    height, width = levels.shape[:2]
    top, left = round(0.6 * height), round(0.3 * width)
    changed = levels.copy()
    changed[top : top + round(share * height), left : left + round(share * width)] = colour
    return changed


@pytest.mark.parametrize(("height", "width"), [(72, 72), (101, 257), (9300, 40), (20, 500), (1, 1)])
def test_regions_are_plain_means(height: int, width: int):
    image = np.random.default_rng(0).integers(200, 256, (height, width, 3), dtype=np.uint8)
    cells = small_picture(image).cells
    rows, columns = cells.shape[:2]
    for row, column in ((0, 0), (rows // 2, columns // 3), (rows - 1, columns - 1)):
        tall = slice(row * height // rows, (row + 1) * height // rows)
        wide = slice(column * width // columns, (column + 1) * width // columns)
        expected = image[tall, wide].reshape(-1, 3).mean(axis=0)
        assert np.abs(cells[row, column] / 64 - expected).max() <= 0.5 / 64


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("std", [0, 3, 12])
def test_noise_is_no_news(size: tuple[int, int], std: float):
    still = scene(*size)
    assert not any(is_news(noisy(still, std, seed), noisy(still, std, seed + 100)) for seed in range(20))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("std", [0, 3, 12])
def test_a_small_thing_is_news_when_it_comes_and_when_it_goes(size: tuple[int, int], std: float):
    still = scene(*size)
    share = 1 / 18 if size == (72, 72) and std == 12 else 1 / 24  # of 3 by 3 pixels nothing is left in such noise
    shown = with_thing(still, share, (200, 30, 30))
    assert np.abs(shown.mean() - still.mean()) < 0.2, "the whole picture hardly changes"
    for seed in range(10):
        assert is_news(noisy(still, std, seed), noisy(shown, std, seed + 100))
        assert is_news(noisy(shown, std, seed), noisy(still, std, seed + 100))


def test_a_thing_of_another_colour_and_the_same_brightness_is_news():
    grey, red = np.full((240, 320, 3), 100.0), (189, 60, 70)
    assert abs(np.dot((0.299, 0.587, 0.114), red) - 100) < 1
    assert is_news(noisy(grey, 3, 0), noisy(with_thing(grey, 1 / 20, red), 3, 1))


@pytest.mark.parametrize("size", SIZES)
def test_slow_light_is_no_news_and_a_lamp_is(size: tuple[int, int]):
    still = scene(*size)
    rows = np.linspace(0.9, 1.1, size[0])[:, None, None]  # mains light against a rolling shutter
    for light in (0.88, 1.12, rows):
        assert not is_news(noisy(still, 3, 0), noisy(still * light, 3, 1))
        assert is_news(noisy(still, 3, 0), noisy(with_thing(still, 1 / 12, (200, 30, 30)) * light, 3, 1))
    for lamp in (0.6, 1.5):
        assert is_news(noisy(still, 3, 0), noisy(still * lamp, 3, 1))


def test_a_covered_lens_is_news():
    still = scene(240, 320)
    assert is_news(still, np.full_like(still, 4.0))
    assert is_news(still, np.full_like(still, still.mean()))


def test_a_trembling_camera_is_no_news_and_one_that_turns_is():
    wide = scene(362, 740)
    assert not is_news(noisy(wide[:360, :640], 3, 0), noisy(wide[1:361, 2:642], 3, 1))
    assert is_news(noisy(wide[:360, :640], 3, 0), noisy(wide[:360, 90:730], 3, 1))


@pytest.mark.parametrize("size", [(240, 320), (360, 640)])
def test_a_shaken_camera_is_seldom_news_and_what_comes_meanwhile_always_is(size: tuple[int, int]):
    height, width = size
    wide = scene(height + 40, width + 60)
    still = wide[20 : 20 + height, 30 : 30 + width]
    random = np.random.default_rng(0)
    shaking, found = [], []
    for seed in range(12):
        down, right = (round(share * side) for share, side in zip(random.uniform(-0.04, 0.04, 2), size, strict=True))
        shaken = wide[20 + down : 20 + down + height, 30 + right : 30 + right + width]
        shaking.append(is_news(noisy(still, 3, seed), noisy(shaken * 1.05, 3, seed + 100)))
        found.append(is_news(noisy(still, 3, seed), noisy(with_thing(shaken, 1 / 12, (200, 30, 30)), 3, seed + 100)))
    assert all(found)
    assert sum(shaking) <= len(shaking) / 4


@pytest.mark.parametrize("steps", [(0, 1), (1, 0), (1, 2)])
def test_a_thing_that_moves_before_a_plain_wall_is_news_and_no_shaken_camera(steps: tuple[int, int]):
    wall = np.full((360, 640, 3), 120.0)
    wall += np.linspace(-15, 15, 640)[None, :, None]
    for share in (1 / 18, 1 / 6, 1 / 3):
        there = with_thing(wall, share, (200, 30, 30))
        down, right = steps[0] * 10, steps[1] * 18  # a region is 10 by 18 pixels
        moved = np.roll(there - wall, (down, right), axis=(0, 1)) + wall
        assert is_news(noisy(there, 3, 0), noisy(moved, 3, 1))


def test_compression_is_no_news():
    def compressed(levels: NDArray[np.float64], quality: int) -> NDArray[np.float64]:
        data = io.BytesIO()
        Image.fromarray(as_picture(levels)).save(data, "JPEG", quality=quality)
        return np.asarray(Image.open(data).convert("RGB")).astype(float)

    still = scene(360, 640)
    shown = with_thing(still, 1 / 20, (200, 30, 30))
    for quality in (25, 50, 90):
        assert not is_news(compressed(noisy(still, 5, 0), quality), compressed(noisy(still, 5, 1), quality))
        assert is_news(compressed(noisy(still, 5, 0), quality), compressed(noisy(shown, 5, 1), quality))


def test_frames_of_a_real_codec_between_its_key_frames_are_no_news():
    still = scene(240, 320)
    pictures = [as_picture(noisy(still, 6, seed)) for seed in range(40)]
    pictures += [as_picture(noisy(with_thing(still, 1 / 12, (30, 60, 200)), 6, seed)) for seed in range(5)]
    data = SegmentEncoder(320, 240, 4, "mp4").encode(pictures)
    decoded = [small_picture(frame.image) for frame in decode(data, "video/mp4", 0, DecodeLimits())]
    assert len(decoded) == 45
    assert not any(differs(decoded[0].cells, later) for later in decoded[1:40])
    assert all(differs(decoded[0].cells, later) for later in decoded[40:])


@pytest.mark.parametrize(
    ("condition", "seed"), [("clean", 0), ("clean", 1), ("clean", 2), ("shaking", 0), ("shaking", 1)]
)
def test_of_the_simulated_world_everything_that_comes_is_seen_and_little_else(condition: str, seed: int):
    world, frames = World(seed, Traffic(mean_gap_s=30.0 if condition == "clean" else 12.0)), 300
    renderer, detector = Renderer(world, 72, 72, Condition.named(condition)), ChangeDetector(max_gap_s=30)
    reference, encoded = None, []
    for frame in range(frames):
        picture, ts_ms = small_picture(renderer.render(float(frame))), 1000 * frame
        if detector.is_new(reference, picture, ts_ms):
            reference = Reference(picture.cells, ts_ms)
            encoded.append(frame)
    for visit in world.visits(0, frames - 1):
        whole = [frame for frame in range(frames) if visit.visible(frame) == 1]
        assert not whole or set(whole) & set(encoded), visit
    quiet = [frame for frame in range(frames) if not any(v.visible(frame) > 0 for v in world.visits(frame, frame))]
    assert len(set(quiet) & set(encoded)) < (0.1 if condition == "clean" else 0.5) * len(quiet)


def test_a_frame_behind_the_gap_or_of_a_clock_set_back_is_encoded_whatever_it_shows():
    picture = small_picture(as_picture(scene(72, 72)))
    detector, reference = ChangeDetector(max_gap_s=10), Reference(picture.cells, HOUR_MS)
    assert [detector.is_new(reference, picture, HOUR_MS + ms) for ms in (0, 9_999, 10_000, -1)] == [0, 0, 1, 1]
    assert detector.is_new(None, picture, HOUR_MS)


def test_a_camera_that_changes_its_size_is_encoded():
    assert differs(small_picture(np.zeros((20, 30, 3), np.uint8)).cells, small_picture(np.zeros((30, 30, 3), np.uint8)))
