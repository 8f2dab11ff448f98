"""What a cluster may do while it does not reach the store that says whose the streams are."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest

from hermes_ray.cluster.control.generations.ownership import Ownership
from hermes_ray.cluster.wire.tenure_phase import TenurePhase
from hermes_ray.config import Settings
from tests.patience import LIMIT_S
from tests.unit.cluster.store.faulty_store import FaultyFileSystem, ForeignError


def ownership(url: str | None) -> Ownership:
    settings = Settings.model_validate({"snapshots": {"url": url}, "cluster": {"move_after_s": 1.0}})
    return Ownership(settings, uuid4().hex, can_serve=lambda: True, serves=lambda: True, has_let_go=lambda: True)


@asynccontextmanager
async def holding() -> AsyncIterator[Ownership]:
    """A cluster that has the streams, and whose Coordinator goes on trying."""
    of = ownership(f"faulty://{uuid4().hex}")
    assert not of.is_certain
    running = asyncio.create_task(of.run())
    await until(lambda: of.phase is TenurePhase.HOLDING)
    assert of.is_certain
    try:
        yield of
    finally:
        running.cancel()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(LIMIT_S):
        while True:
            await asyncio.sleep(0.01)
            if condition():
                return


@pytest.mark.parametrize("kind", ["refuses", "hangs"])
async def test_an_owner_that_does_not_reach_the_store_is_in_doubt_once_another_may_have_taken_over(kind: str) -> None:
    may_return = threading.Event()

    def fault(operation: str, path: str) -> None:
        if kind == "refuses":
            raise ForeignError("no way")
        may_return.wait(LIMIT_S)

    async with holding() as of:
        with FaultyFileSystem.failing(fault):
            await until(lambda: not of.is_certain)
            assert of.phase is TenurePhase.HOLDING  # it may be the only one, so it goes on answering
            assert (of.owned_s, of.commits_for_s()) == (0.0, 0.0)
            assert "another cluster may own the streams" in str(of.detail)
            assert ("no way" if kind == "refuses" else "does not answer") in str(of.detail)
        may_return.set()
        await until(lambda: of.is_certain)
        await until(lambda: of.detail is None)


async def test_where_no_other_cluster_reaches_the_store_there_is_no_doubt() -> None:
    for url in (None, "auto"):
        of = ownership(url)
        await of.run()
        assert of.is_certain
        assert of.owned_s is None
