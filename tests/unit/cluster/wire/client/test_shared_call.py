"""A call that several callers share."""

import asyncio
from contextvars import ContextVar

import pytest

from hermes_ray.cluster.wire.client.shared_call import SharedCall
from hermes_ray.errors import NotReady


class Counted:
    """Answers with the number of its run, once it is let go."""

    def __init__(self) -> None:
        self.runs = 0
        self.at_once = 0
        self.go = asyncio.Event()

    async def __call__(self) -> int:
        self.runs += 1
        self.at_once += 1
        assert self.at_once == 1
        mine = self.runs
        await self.go.wait()
        self.at_once -= 1
        return mine


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_who_comes_during_a_run_shares_the_next_one_and_gets_nothing_older_than_the_question():
    counted = Counted()
    shared = SharedCall(counted)
    first = asyncio.create_task(shared())
    await settled()
    later = [asyncio.create_task(shared()) for _ in range(100)]
    await settled()
    assert counted.runs == 1
    counted.go.set()
    assert await first == 1
    assert set(await asyncio.gather(*later)) == {2}
    assert await shared() == 3


async def test_who_leaves_early_ends_it_for_nobody_and_a_failure_is_everybodys_and_passes():
    counted = Counted()
    shared = SharedCall(counted)
    leaves, stays = asyncio.create_task(shared()), asyncio.create_task(shared())
    await settled()
    leaves.cancel()
    await settled()
    counted.go.set()
    assert await stays == 1

    async def fails() -> int:
        raise NotReady("away")

    failing = SharedCall(fails)
    for outcome in await asyncio.gather(failing(), failing(), return_exceptions=True):
        assert isinstance(outcome, NotReady)
    with pytest.raises(NotReady):
        await failing()


async def test_a_run_is_in_no_callers_context_so_that_who_hangs_up_takes_none_of_its_calls_along():
    request: ContextVar[str] = ContextVar("request", default="nobody's")

    async def made_for() -> str:
        return request.get()

    request.set("a caller's")
    assert await SharedCall(made_for)() == "nobody's"
