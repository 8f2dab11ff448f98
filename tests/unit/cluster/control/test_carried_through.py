"""What changes a stream does not end half-way because its caller hangs up."""

import asyncio
from contextvars import ContextVar

import pytest

from hermes_ray.cluster.control.carried_through import CarriedThrough
from hermes_ray.errors import NotReady

REQUEST: ContextVar[str] = ContextVar("request", default="nobody's")
"""Ray, too, keeps in the context for whom a call is made."""


async def test_work_ends_though_its_caller_has_left_and_is_nobodys():
    carry_through = CarriedThrough()
    begun, goes_on, done = asyncio.Event(), asyncio.Event(), asyncio.Event()
    made_for: list[str] = []

    async def work() -> None:
        begun.set()
        await goes_on.wait()
        made_for.append(REQUEST.get())
        done.set()

    async def request() -> None:
        REQUEST.set("a caller's")
        await carry_through(work())

    caller = asyncio.create_task(request())
    await begun.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    goes_on.set()
    await asyncio.wait_for(done.wait(), 60)
    assert made_for == ["nobody's"]


async def test_who_stays_gets_the_result_or_the_error():
    async def answers() -> int:
        return 7

    async def fails() -> int:
        raise NotReady("away")

    carry_through = CarriedThrough()
    assert await carry_through(answers()) == 7
    with pytest.raises(NotReady):
        await carry_through(fails())
