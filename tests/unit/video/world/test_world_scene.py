import numpy as np
import pytest

from hermes_ray.video.world import Renderer, Traffic, Truth, World

BUSY = Traffic(mean_gap_s=0.5, quiet_share=0.0, overlap_share=0.8)


def test_same_seed_gives_the_same_visits_in_any_order_of_asking():
    forwards, backwards = World(5), World(5)
    later = backwards.visits(300, 400)
    assert forwards.visits(0, 100) == backwards.visits(0, 100)
    assert forwards.visits(300, 400) == later


def test_another_seed_gives_other_visits():
    assert World(5).visits(0, 100) != World(6).visits(0, 100)


@pytest.mark.parametrize("seed", range(10))
def test_at_most_two_things_are_in_view_and_never_on_one_track(seed):
    world = World(seed, BUSY)
    for t_s in np.arange(0, 120, 0.25):
        visible = [visit for visit in world.visits(t_s, t_s) if visit.visible(t_s) > 0]
        assert len(visible) <= 2
        assert len({visit.track for visit in visible}) == len(visible)


@pytest.mark.parametrize("seed", range(10))
def test_arrivals_are_apart_enough_for_a_slow_camera(seed):
    times = [visit.came_s for visit in World(seed, BUSY).visits(0, 300)]
    assert min(np.diff(times)) >= 1.3 - 1e-9


@pytest.mark.parametrize("seed", range(10))
def test_nothing_is_seen_across_a_block_border(seed):
    world = World(seed, BUSY)
    for border_s in range(30, 300, 30):
        before, after = border_s - 1e-6, border_s + 1e-6
        assert all(visit.visible(before) < 0.01 for visit in world.visits(before, before))
        assert all(visit.visible(after) == 0 for visit in world.visits(after, after))


def test_a_stopped_thing_stands_still_and_then_goes_on():
    visit = next(v for seed in range(20) for v in World(seed).visits(0, 300) if v.stop_s > 1 and v.direction > 0)
    stopped_s = visit.came_s + visit.stop_x * visit.crossing_s
    assert visit.x(stopped_s + 0.1) == pytest.approx(visit.x(stopped_s + visit.stop_s - 0.1))
    assert visit.x(stopped_s + visit.stop_s + 0.5) > visit.x(stopped_s + visit.stop_s)
    assert visit.x(visit.gone_s) == pytest.approx(1.0)


def test_palette_limits_kinds_and_colours():
    visits = World(1, Traffic(kinds=2, colours=3)).visits(0, 3000)
    assert len({visit.kind for visit in visits}) == 2
    assert len({visit.colour for visit in visits}) == 3


def test_things_are_where_the_truth_says_in_every_resolution():
    world = World(2, BUSY)
    empty = Renderer(World(2, Traffic(quiet_share=1.0)), 160, 120)
    renderer = Renderer(world, 160, 120)
    checked = 0
    for t_s in np.arange(1, 60, 1.0):
        # Same seed, same background, same noise: only the things differ.
        changed = np.abs(renderer.render(t_s).astype(int) - empty.render(t_s)).max(axis=2) > 40
        sightings = Truth(world).in_view(t_s)
        alone = sum(visit.visible(t_s) > 0 for visit in world.visits(t_s, t_s)) == 1
        if alone and sightings and 0.3 < sightings[0].x < 0.7:
            ys, xs = np.nonzero(changed)
            assert (xs.min() + xs.max()) / 2 / 160 == pytest.approx(sightings[0].x, abs=0.06)
            assert (ys.min() + ys.max()) / 2 / 120 == pytest.approx(sightings[0].y, abs=0.06)
            checked += 1
    assert checked > 5


def test_night_is_darker_than_day():
    world = World(4, Traffic(quiet_share=1.0))
    times = np.arange(0, 600, 10.0)
    light = [world.daylight(t) for t in times]
    renderer = Renderer(world, 40, 30)
    noon, midnight = times[int(np.argmax(light))], times[int(np.argmin(light))]
    assert renderer.render(midnight).mean() < 0.6 * renderer.render(noon).mean()


def test_small_pictures_look_like_shrunken_large_ones():
    world = World(7, BUSY)
    large = Renderer(world, 288, 288).render(3.0).astype(float)
    small = Renderer(world, 72, 72).render(3.0).astype(float)
    shrunken = large.reshape(72, 4, 72, 4, 3).mean(axis=(1, 3))
    assert np.abs(shrunken - small).mean() < 8
