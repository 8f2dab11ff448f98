"""The order in which a cluster lets go, whoever of its workers is slow, broken or gone."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from hermes_ray.cluster.control.generations.hand_over import HandOver
from hermes_ray.cluster.control.streams.directory import EpochClock, StreamDirectory
from hermes_ray.cluster.wire.protocol import Assignment, IngestHealth, WorkerHealth
from hermes_ray.cluster.wire.tenure_phase import TenurePhase
from hermes_ray.errors import WorkerUnavailable
from tests.unit.cluster.control.workers.test_readiness import INGEST, MEMORY

STOP = Assignment(epoch=100)
COMMITS_END_S = 70.0
LIMIT_S = 60


class Workers:
    """Workers that do what they are told, or not, and remember in which order."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.ingest: dict[str, IngestHealth] = {"ingest-0": INGEST}
        self.memory: dict[str, WorkerHealth] = {
            name: replace(MEMORY, process=name, streams={f"cam-of-{name}": 7}) for name in ("memory-0", "memory-1")
        }
        self.done: list[str] = []
        self.unsaved: dict[str, list[int]] = {}
        self.deaf: set[str] = set()
        self.phase = TenurePhase.HANDING_OVER
        self.directory = StreamDirectory(EpochClock(lambda: 1))
        for name in self.memory:
            self.directory.adopt(name, None, 7, {f"cam-of-{name}": 7})

    async def call(self, name: str, method: str, *args: object) -> int | None:
        self.now_s += 1
        if name in self.deaf:
            raise WorkerUnavailable(f"{name} does not answer")
        if method == "assign":
            assert args == (STOP,)
            self.ingest[name] = replace(self.ingest[name], assignment=STOP)
        self.done.append(f"{name} {method}")
        if method == "stand_down":
            self.memory[name] = replace(self.memory[name], streams={})
        return self.unsaved.get(name, [0]).pop() if method == "let_go" and self.unsaved.get(name) else 0

    async def changes_end(self) -> None:
        self.done.append("changes end")

    def hand_over(self) -> HandOver:
        return HandOver(
            lambda: self.ingest,
            lambda: self.memory,
            ("ingest-0",),
            STOP,
            self.call,
            self.changes_end,
            self.directory,
            lambda: self.phase,
            COMMITS_END_S,
            self._clock,
        )

    def _clock(self) -> float:
        self.now_s += 20  # whoever looks at the clock again and again lets time pass
        return self.now_s


async def until(condition: Callable[[], bool], hand_over: HandOver) -> None:
    """Run a hand-over until something holds."""
    running = asyncio.create_task(hand_over.run())
    async with asyncio.timeout(LIMIT_S):
        while not condition():
            assert not running.done(), running.result()
            await asyncio.sleep(0.01)
    running.cancel()


@pytest.fixture
def workers() -> Workers:
    return Workers()


async def test_nothing_is_read_any_more_before_the_last_snapshots_are_written(workers: Workers) -> None:
    hand_over = workers.hand_over()
    await until(lambda: hand_over.has_let_go, hand_over)
    assert workers.done == ["ingest-0 assign", "changes end", "memory-0 let_go", "memory-1 let_go"]


async def test_a_store_that_does_not_take_every_snapshot_at_once_is_tried_again(workers: Workers) -> None:
    workers.unsaved = {"memory-1": [0, 2, 3]}
    hand_over = workers.hand_over()
    await until(lambda: hand_over.has_let_go, hand_over)
    assert workers.done.count("memory-1 let_go") == 3


async def test_a_worker_that_never_stores_is_not_waited_for_without_end(workers: Workers) -> None:
    workers.deaf = {"memory-0"}
    hand_over = workers.hand_over()
    await until(lambda: hand_over.has_let_go, hand_over)
    assert workers.now_s > 100


@pytest.mark.parametrize("away", [True, False], ids=["gone", "hangs"])
async def test_an_ingest_worker_that_cannot_be_told_is_waited_for_until_it_may_not_commit(
    workers: Workers, away: bool
) -> None:
    if away:
        workers.ingest.clear()
    else:
        workers.deaf = {"ingest-0"}
    hand_over = workers.hand_over()
    await until(lambda: hand_over.has_let_go, hand_over)
    assert workers.now_s > COMMITS_END_S
    assert workers.done[0] == "changes end"


async def test_an_ingest_worker_that_restarts_meanwhile_is_told_too(workers: Workers) -> None:
    workers.ingest["ingest-0"] = replace(INGEST, assignment=Assignment())
    hand_over = workers.hand_over()
    await until(lambda: hand_over.has_let_go, hand_over)
    assert workers.done[0] == "ingest-0 assign"


async def test_streams_are_forgotten_once_the_other_cluster_has_them_and_no_sooner(workers: Workers) -> None:
    hand_over = workers.hand_over()
    await until(lambda: hand_over.has_let_go, hand_over)
    assert set(workers.directory.locations) == {"cam-of-memory-0", "cam-of-memory-1"}

    workers.phase = TenurePhase.OVER
    again = workers.hand_over()  # of a Coordinator that was restarted
    await until(lambda: not workers.directory.locations, again)
    assert again.has_let_go
    assert workers.done.count("memory-0 stand_down") == 1


async def test_a_worker_that_comes_back_late_is_stood_down_too(workers: Workers) -> None:
    workers.phase = TenurePhase.OVER
    late = workers.memory.pop("memory-1")

    def has_come_back() -> bool:
        if "memory-0 stand_down" in workers.done:
            workers.memory.setdefault("memory-1", late)
        return "memory-1 stand_down" in workers.done

    await until(has_come_back, workers.hand_over())
