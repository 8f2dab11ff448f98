"""What real cameras add to the simulated world: as much as they should, the same each time, and no other truth."""

import io

import numpy as np
import pytest
from PIL import Image

from hermes_ray.errors import ConfigError
from hermes_ray.video.world import CONDITIONS, Condition, Renderer, Traffic, World
from hermes_ray.video.world.conditions import compressed, panorama, shaken, turned

EMPTY = World(5, Traffic(quiet_share=1.0))
NAMES = [name for name in CONDITIONS if name != "clean"]


def film(condition: Condition, times_s: list[float], side_px: int = 72, world: World = EMPTY) -> np.ndarray:
    renderer = Renderer(world, side_px, side_px, condition)
    return np.stack([renderer.render(t_s) for t_s in times_s]).astype(float)


@pytest.mark.parametrize("name", [*NAMES, "noise+shaking+flicker+compression"])
def test_a_frame_is_the_same_whichever_came_before_and_not_the_clean_one(name: str):
    condition = Condition.named(name)
    forwards, backwards = film(condition, [3.0, 4.5]), film(condition, [4.5, 3.0])
    assert np.array_equal(forwards, backwards[::-1])
    assert not np.array_equal(forwards, film(Condition(), [3.0, 4.5]))
    assert not np.array_equal(forwards, film(condition, [3.0, 4.5], world=World(6, Traffic(quiet_share=1.0))))


def test_names_are_combined_in_any_order_and_an_unknown_one_is_refused():
    both = Condition.named("noise+shaking")
    assert both == Condition.named("shaking + noise")
    assert (both.noise, both.shake) == (CONDITIONS["noise"].noise, CONDITIONS["shaking"].shake)
    assert Condition.named("clean") == Condition()
    with pytest.raises(ConfigError, match="no condition 'fog'; there are clean, noise"):
        Condition.named("noise+fog")


def test_noise_has_its_standard_deviation():
    one, other = film(CONDITIONS["noise"], [100.0, 100.001])
    bright = film(Condition(noise=0), [100.0])[0] > 50  # nothing is cut off there
    assert (one - other)[bright].std() == pytest.approx(12 * np.sqrt(2), rel=0.1)


def test_lamps_change_rows_by_no_more_than_they_should_and_drifting_light_needs_time():
    still = film(Condition(noise=0), [50.0, 50.04])
    lamps = film(Condition(noise=0, flicker=0.12), [50.0, 50.04])
    rows = (lamps + 1).mean(axis=(2, 3)) / (still + 1).mean(axis=(2, 3))
    assert np.ptp(rows) > 0.05 and np.abs(rows - 1).max() < 0.13
    assert np.abs(rows[0] - rows[1]).max() > 0.02, "from frame to frame"

    gains = [
        drifting.mean() / plain.mean()
        for drifting, plain in zip(
            film(Condition(noise=0, clouds=0.3), [float(t_s) for t_s in range(120)]),
            film(Condition(noise=0), [float(t_s) for t_s in range(120)]),
            strict=True,
        )
    ]
    assert np.ptp(gains) > 0.1
    assert np.abs(np.diff(gains)).max() < 0.05


@pytest.mark.parametrize("quality", [10, 30, 80])
def test_compression_leaves_what_jpeg_leaves(quality: int):
    grey = film(Condition(), [7.0], side_px=75)[0].mean(axis=2).round()
    data = io.BytesIO()
    Image.fromarray(grey.astype(np.uint8)).save(data, "JPEG", quality=quality)
    theirs = np.asarray(Image.open(data)).astype(float)
    ours = compressed(np.repeat(grey[:, :, None], 3, axis=2).astype(np.float32), quality)
    whole = slice(0, 72)  # how an incomplete block is filled up is everybody's own choice
    assert np.abs(ours[whole, whole] - theirs[whole, whole, None]).mean() < 0.5
    assert np.abs(theirs - grey)[whole, whole].mean() > 1 or quality > 50


def test_a_shaken_picture_is_displaced_within_its_limit():
    ramp = np.repeat(np.arange(100, dtype=np.float32)[None, :, None], 60, axis=0).repeat(3, axis=2)
    found = []
    for t_s in range(200):
        moved = (ramp - shaken(ramp, Condition(shake=0.03), 1, float(t_s)))[:, 10:90]
        assert np.ptp(moved) < 1e-3
        found.append(float(moved.mean()))
    assert -3 <= min(found) < -2.5 and 2.5 < max(found) <= 3
    assert abs(np.mean(found)) < 0.5


def test_a_turning_camera_sees_the_picture_then_its_mirror_image_and_then_the_picture():
    background = np.random.default_rng(0).uniform(0, 255, (20, 30, 3)).astype(np.float32)
    wide, turning = panorama(background), Condition(pan=0.05)
    assert np.array_equal(turned(wide, turning, 0.0), background)
    assert np.allclose(turned(wide, turning, 20.0), background[:, ::-1], atol=1e-3)
    assert np.allclose(turned(wide, turning, 40.0), background, atol=1e-3)
    assert np.abs(turned(wide, turning, 1.0) - background).mean() > 10


@pytest.mark.parametrize("name", NAMES)
def test_what_is_in_the_picture_stays_where_the_truth_says(name: str):
    world, side_px, compared = World(3), 144, 0
    for t_s in np.arange(0.0, 120.0, 1.0):
        in_view = [visit for visit in world.visits(t_s, t_s) if visit.visible(t_s) > 0]
        if len(in_view) != 1 or in_view[0].visible(t_s) < 1 or in_view[0].kind not in ("car", "bus", "truck"):
            continue
        row, column = round(in_view[0].y * side_px), round(in_view[0].x(t_s) * side_px)
        clean, seen = (
            film(condition, [t_s], side_px, world)[0][row - 2 : row + 3, column - 2 : column + 3].mean(axis=(0, 1))
            for condition in (Condition(), CONDITIONS[name])
        )
        assert np.abs(clean - seen).max() < 0.35 * clean.max(), in_view[0]
        compared += 1
    assert compared > 3


@pytest.mark.parametrize("share", [0.5, 0.75, 0.9])
def test_a_camera_can_be_quiet_for_a_chosen_share_of_the_time(share: float):
    empty = []
    for seed in range(12):
        world = World(seed, Traffic.empty(share))
        empty += [not any(v.visible(t_s) > 0 for v in world.visits(t_s, t_s)) for t_s in np.arange(0.5, 1800, 2.0)]
    assert np.mean(empty) == pytest.approx(share, abs=0.04)


def test_a_share_that_cannot_be_is_refused():
    with pytest.raises(ValueError, match="share must be"):
        Traffic.empty(0.2)
