"""Whether a cluster may still store and deliver events, as the process that does it finds out."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from hermes_ray.cluster.event_sink.owner_lease import OwnerLease
from hermes_ray.errors import WorkerUnavailable
from tests.patience import LIMIT_S


class Coordinator:
    """Says for how long the streams are this cluster's; ``None``: it does not answer."""

    def __init__(self) -> None:
        self.owned_s: float | None = 10.0
        self.takes_s = 0.0
        self.now_s = 100.0
        self.asked = 0

    async def __call__(self) -> float:
        self.asked += 1
        self.now_s += self.takes_s
        if self.owned_s is None:
            raise WorkerUnavailable("gone")
        return self.owned_s


@asynccontextmanager
async def kept(coordinator: Coordinator) -> AsyncIterator[OwnerLease]:
    lease = OwnerLease(coordinator, lambda: coordinator.now_s)
    keeping = asyncio.create_task(lease.keep())
    try:
        yield lease
    finally:
        keeping.cancel()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(LIMIT_S):
        while True:
            await asyncio.sleep(0.01)
            if condition():
                return


async def test_nothing_is_certain_before_the_first_answer_and_after_the_last_one_has_run_out() -> None:
    coordinator = Coordinator()
    assert not OwnerLease(coordinator).is_valid
    async with kept(coordinator) as lease:
        await until(lambda: lease.is_valid)
        coordinator.owned_s = None  # ended, or cut off from this process
        asked = coordinator.asked
        await until(lambda: coordinator.asked > asked)
        assert lease.is_valid
        coordinator.now_s += 11
        assert not lease.is_valid
        coordinator.owned_s = 0.0  # it is there, and does not reach the store
        await until(lambda: coordinator.asked > asked + 1)
        assert not lease.is_valid
        coordinator.owned_s = 10.0
        await until(lambda: lease.is_valid)


async def test_a_late_answer_is_worth_less() -> None:
    coordinator = Coordinator()
    coordinator.takes_s = 12.0
    async with kept(coordinator) as lease:
        await until(lambda: coordinator.asked > 0)
        assert not lease.is_valid


async def test_an_error_that_nobody_expected_counts_as_no_answer_and_the_next_one_as_one() -> None:
    coordinator = Coordinator()

    async def ask() -> float:
        if coordinator.asked == 0:
            coordinator.asked += 1
            raise ZeroDivisionError
        return await coordinator()

    lease = OwnerLease(ask, lambda: coordinator.now_s)
    keeping = asyncio.create_task(lease.keep())
    await until(lambda: coordinator.asked == 1)
    assert not lease.is_valid
    await until(lambda: lease.is_valid)
    keeping.cancel()


async def test_where_no_other_cluster_can_be_nobody_is_asked() -> None:
    lease = OwnerLease(None)
    await lease.keep()
    assert lease.is_valid
