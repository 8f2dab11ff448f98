"""A stream gets an owner only when it is certain that it has none, and there is room or will be none."""

import pytest

from hermes_ray.cluster.control.streams.directory import EpochClock, StreamDirectory
from hermes_ray.cluster.control.streams.placing import Placing
from hermes_ray.cluster.wire.contracts import Location
from hermes_ray.errors import NoFreeSlot, NotReady


class Cluster:
    """One memory worker with room for one stream, and what its Coordinator knows."""

    def __init__(self) -> None:
        self.directory = StreamDirectory(EpochClock(lambda: 100))
        self.directory.admit("memory-0", 1)
        self.told: list[tuple[str, Location]] = []
        self.unheard: list[str] = []
        self.room_may_come = False
        self.placing = Placing(self.directory, self._tell, lambda: self.unheard, lambda: self.room_may_come)

    async def _tell(self, stream_id: str, location: Location) -> None:
        self.told.append((stream_id, location))


async def test_the_owner_is_told_before_anybody_else_and_once():
    cluster = Cluster()
    location = await cluster.placing.place("cam")
    assert location.worker == "memory-0"
    assert await cluster.placing.place("cam") == location
    assert cluster.told == [("cam", location)]


async def test_a_new_stream_waits_for_workers_that_may_have_it_already():
    cluster = Cluster()
    known = await cluster.placing.place("cam")
    cluster.unheard = ["memory-1"]
    with pytest.raises(NotReady, match="memory-1"):
        await cluster.placing.place("yard")
    assert cluster.directory.find("yard") is None
    assert await cluster.placing.place("cam") == known


async def test_a_stream_without_room_is_refused_only_if_none_is_to_come():
    cluster = Cluster()
    await cluster.placing.place("cam")
    cluster.room_may_come = True
    with pytest.raises(NotReady, match="no room now"):
        await cluster.placing.place("yard")
    cluster.room_may_come = False
    with pytest.raises(NoFreeSlot):
        await cluster.placing.place("yard")
