import asyncio

from hermes_ray.cluster.control.workers.membership import Membership
from hermes_ray.errors import WorkerLost


class HeldClock:
    """Seconds that a test moves."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_a_worker_that_never_answered_counts_as_unheard_until_its_lease_is_over():
    clock = HeldClock()
    membership = Membership(60, clock)
    clock.now_s += 59
    assert membership.unheard(["memory-0", "memory-1"]) == ["memory-0", "memory-1"]
    clock.now_s += 2
    assert membership.unheard(["memory-0", "memory-1"]) == []


class Away:
    """An actor whose process has ended."""

    @property
    def health(self) -> "Away":
        return self

    lose = health

    async def remote(self, *args: object) -> None:
        raise WorkerLost("gone")


async def test_what_is_told_to_a_worker_that_was_just_found_away_is_not_heard_and_harms_nobody():
    membership = Membership(60)
    assert await membership.visit("memory-0", Away) is None
    assert (
        await asyncio.gather(*(membership.tell("memory-0", "lose", "cam", epoch) for epoch in range(3))) == [None] * 3
    )
    assert await membership.visit("memory-0", Away) is None
