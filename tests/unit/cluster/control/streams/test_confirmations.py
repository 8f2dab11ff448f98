"""A stream's owner is told once, and again whenever it may not know."""

import pytest

from hermes_ray.cluster.control.streams.confirmations import Confirmations
from hermes_ray.cluster.control.streams.directory import EpochClock, StreamDirectory
from hermes_ray.cluster.memory_worker.process.fencing import Fence
from hermes_ray.cluster.wire.contracts import Location
from hermes_ray.cluster.wire.protocol import Admission
from hermes_ray.errors import StaleEpoch, WorkerUnavailable


class Scene:
    """One worker behind its real fence, and its stream."""

    def __init__(self) -> None:
        self.directory = StreamDirectory(EpochClock(lambda: 1_000))
        self.fence = Fence(lease_s=3600)
        self.fence.admit(self.directory.admit("memory-0", 8))
        self.told: list[int] = []
        self.confirmations = Confirmations(self.directory, self.tell)

    async def tell(self, stream_id: str, location: Location) -> None:
        self.told.append(location.epoch)
        self.fence.check(stream_id, location.epoch)

    async def place(self) -> Location:
        return await self.confirmations.confirm("cam", self.directory.place("cam"))


async def test_an_owner_is_told_once_and_again_when_the_stream_began_anew():
    scene = Scene()
    first = await scene.place()
    assert await scene.place() == first
    assert scene.told == [first.epoch]
    scene.directory.forget("cam")
    second = await scene.place()
    assert scene.told == [first.epoch, second.epoch]


async def test_an_owner_that_was_told_too_late_is_told_again_and_nothing_is_kept_of_streams_that_are_no_more():
    scene = Scene()
    former = scene.directory.place("cam")

    async def ends_meanwhile(stream_id: str, location: Location) -> None:
        scene.directory.forget("cam")

    await Confirmations(scene.directory, ends_meanwhile).confirm("cam", former)
    assert not scene.directory.is_confirmed("cam")
    anew = await scene.place()
    assert scene.told == [anew.epoch]


async def test_an_owner_that_was_not_reached_is_told_the_next_time():
    scene = Scene()
    scene.fence = Fence(lease_s=3600)  # of a process that is not admitted
    with pytest.raises(WorkerUnavailable):
        await scene.place()
    scene.fence.admit(Admission(1, frozenset()))
    await scene.place()
    assert len(scene.told) == 2


async def test_an_owner_that_let_its_stream_go_for_a_coordinator_that_ended_takes_it_again():
    scene = Scene()
    held = await scene.place()
    successor = Scene()
    successor.directory.adopt("memory-0", 8, held.epoch, {"cam": held.epoch})
    successor.fence = scene.fence
    scene.fence.release("cam", held.epoch)  # what the former Coordinator had asked for
    again = await successor.place()
    assert again.epoch > held.epoch
    assert successor.directory.locate("cam") == again
    assert scene.fence.streams == {"cam": again.epoch}


async def test_a_stream_that_was_placed_anew_while_its_owner_was_told_is_left_alone():
    scene = Scene()

    async def moves_meanwhile(stream_id: str, location: Location) -> None:
        scene.directory.move(stream_id, "memory-1")
        raise StaleEpoch("it has left")

    with pytest.raises(StaleEpoch):
        await Confirmations(scene.directory, moves_meanwhile).confirm("cam", scene.directory.place("cam"))
    assert scene.directory.locate("cam").worker == "memory-1"
