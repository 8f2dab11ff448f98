"""One file of cameras, several processes: each camera in exactly one, and in the same one tomorrow."""

from collections import Counter

import pytest

from hermes_ray.cli.cameras.reading import parse_cameras
from hermes_ray.cli.cameras.sharding import Shard
from hermes_ray.errors import ConfigError

NAMES = [f"camera-{number}" for number in range(600)]


def owners(count: int) -> dict[str, int]:
    """The one process that has each camera."""
    found = {}
    for name in NAMES:
        (found[name],) = [index for index in range(count) if Shard(index, count).holds(name)]
    return found


@pytest.mark.parametrize("count", [1, 2, 5])
def test_every_camera_is_in_one_process_and_they_have_about_as_many_each(count):
    each = Counter(owners(count).values())
    # Binomial: 600 cameras, 4 standard deviations.
    expected, deviation = 600 / count, (600 * (1 / count) * (1 - 1 / count)) ** 0.5
    assert all(abs(each[index] - expected) <= 4 * deviation for index in range(count))


@pytest.mark.parametrize("count", [1, 2, 5])
def test_one_process_more_takes_cameras_and_moves_none_between_the_others(count):
    before, after = owners(count), owners(count + 1)
    moved = {name for name in NAMES if before[name] != after[name]}
    assert {after[name] for name in moved} == {count}


def test_who_has_which_camera_is_the_same_in_every_release():
    """While an upgrade rolls, processes of two releases share a file.

    By hand, with ``printf 0:yard | sha256sum`` and so on: of the shards 0, 1 and 2 the highest.
    """
    by_hand = {"front-door": 1, "yard": 2, "desk": 0, "film": 2}
    for name, owner in by_hand.items():
        assert [Shard(index, 3).holds(name) for index in range(3)] == [index == owner for index in range(3)]


def test_a_process_has_its_share_of_the_file():
    text = "defaults: {fps: 2}\ncameras: {" + ", ".join(f"{name}: {{source: sim://1}}" for name in NAMES) + "}"
    file = parse_cameras(text, "cameras.yaml")
    shares = [file.entries(Shard(index, 3)) for index in range(3)]
    assert sorted(name for share in shares for name in share) == sorted(NAMES)
    assert {entry.fps for share in shares for entry in share.values()} == {2}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("3", "write I/N, such as 0/3"),
        ("1/3/5", "write I/N"),
        ("-1/3", "write I/N"),
        ("3/3", "counted from 0, so write 0/3 to 2/3"),
        ("0/0", "write 0/1"),
    ],
)
def test_a_shard_that_there_cannot_be_is_refused_with_what_to_write(text, said):
    with pytest.raises(ConfigError, match=said):
        Shard.parse(text)


def test_a_shard_is_read_as_it_is_shown():
    assert Shard.parse(str(Shard(2, 3))) == Shard(2, 3)
