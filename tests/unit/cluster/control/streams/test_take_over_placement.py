"""Who takes over which streams of a worker whose process has ended."""

import pytest

from hermes_ray.cluster.control.streams.directory import EpochClock, StreamDirectory
from hermes_ray.cluster.control.streams.placement import WorkerLoad, spread

ENDED = WorkerLoad("ended", 8, 4, open=False)


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        pytest.param([WorkerLoad("x", 8, 1)], {"a": "x", "b": "x", "c": "x", "d": "x"}, id="one has room for all"),
        pytest.param([WorkerLoad("x", 3, 1)], {"a": "x", "b": "x"}, id="room for the first ones"),
        pytest.param([WorkerLoad("x", None, 90)], {"a": "x", "b": "x", "c": "x", "d": "x"}, id="room without a limit"),
        pytest.param(
            [WorkerLoad("x", 8, 3), WorkerLoad("y", 8, 2)], {"a": "y", "b": "x", "c": "y", "d": "x"}, id="evenly"
        ),
        pytest.param([WorkerLoad("x", 8, 0, leaving=True)], {}, id="not to one that is drained"),
        pytest.param([WorkerLoad("x", 8, 0, open=False)], {}, id="not to one that is down"),
        pytest.param([WorkerLoad("x", 8, 0, site="elsewhere")], {}, id="not where snapshots cannot be read"),
        pytest.param([], {}, id="nobody else"),
    ],
)
def test_streams_go_in_their_order_to_whoever_has_fewest_while_there_is_room(others, expected):
    assert spread("ended", "abcd", [ENDED, *others]) == expected


def test_the_directory_spreads_over_those_that_are_up():
    streams = StreamDirectory(EpochClock(lambda: 1))
    for worker, capacity in {"memory-0": 4, "memory-1": 3, "memory-2": 8}.items():
        streams.admit(worker, capacity)
    for number in range(6):
        streams.place(f"cam-{number}")
    streams.describe("memory-0", up=False, settled=False, leaving=False)
    streams.describe("memory-2", up=False, settled=False, leaving=False)
    first, second = streams.streams_of("memory-0")
    assert streams.spread("memory-0", [second, first]) == {second: "memory-1"}
    assert streams.spread("nobody", ["cam"]) == {}
