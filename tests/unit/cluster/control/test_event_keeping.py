"""Which cluster has the actor that keeps events, and when: the Coordinator's side of it, without a Ray."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from hermes_ray.cluster.control.event_keeping import EventKeeping
from hermes_ray.cluster.wire.events import EventHealth
from hermes_ray.cluster.wire.tenure_phase import TenurePhase
from hermes_ray.config import Settings
from hermes_ray.errors import WorkerLost
from tests.patience import LIMIT_S

SETTINGS = Settings.model_validate({"events": {"database": "sqlite:////nowhere/events.db"}})


class Method:
    """A method of an actor."""

    def __init__(self, answer: Callable[..., Awaitable[object]]) -> None:
        self.remote = answer


class Ray:
    """What Ray knows: whether there is an actor of that name, whoever has created it."""

    def __init__(self) -> None:
        self.has_sink = False
        self.created = self.asked = 0
        self.health = Method(self._health)

    def start(self, settings: Settings) -> "Ray":
        self.created += not self.has_sink
        self.has_sink = True
        return self

    def end(self, namespace: str) -> bool:
        had, self.has_sink = self.has_sink, False
        return had

    async def _health(self) -> EventHealth:
        self.asked += 1
        if not self.has_sink:
            raise WorkerLost("gone")
        return EventHealth()


@pytest.fixture
async def keep() -> AsyncIterator[Callable[[Ray, Callable[[], TenurePhase]], EventKeeping]]:
    made: list[EventKeeping] = []

    def begin(ray: Ray, phase: Callable[[], TenurePhase]) -> EventKeeping:
        made.append(EventKeeping(SETTINGS, phase, ray.start, ray.end))
        return made[-1]

    yield begin
    for keeping in made:
        keeping.stop()


async def until(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline_s
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("phase", [TenurePhase.HANDING_OVER, TenurePhase.HANDED_OVER, TenurePhase.OVER])
async def test_a_restarted_coordinator_ends_what_its_former_process_created_once_another_cluster_takes_over(
    keep, phase: TenurePhase
) -> None:
    ray = Ray()
    ray.start(SETTINGS)  # by the former process
    keep(ray, lambda: phase)
    await until(lambda: not ray.has_sink)


async def test_a_restarted_coordinator_leaves_it_alone_until_it_is_known_whose_the_streams_are(keep) -> None:
    ray, phases = Ray(), [TenurePhase.WAITING]
    ray.start(SETTINGS)
    keep(ray, lambda: phases[-1])
    await asyncio.sleep(0)
    phases.append(TenurePhase.HOLDING)
    await until(lambda: ray.asked > 0)
    assert ray.has_sink
    assert ray.created == 1


async def test_what_a_shutdown_has_ended_is_not_created_again(keep) -> None:
    ray = Ray()
    keeping = keep(ray, lambda: TenurePhase.HOLDING)
    await until(lambda: ray.asked > 0)
    keeping.stop()
    ray.end("any")
    with pytest.raises(asyncio.CancelledError):
        await until(lambda: keeping.check() is not None)
    assert not ray.has_sink
