"""Memories on their way in or out of a worker: no place and no memory is held by what makes no progress."""

import asyncio

import pytest

from hermes_ray.cluster.memory_worker.streams import transfers as module
from hermes_ray.cluster.memory_worker.streams.transfers import Transfers
from hermes_ray.errors import InvalidMemory, Overloaded, WorkerUnavailable
from tests.patience import LIMIT_S

KIB, MIB = 1024, 1024 * 1024


class HeldClock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock()


@pytest.fixture
def transfers(clock: HeldClock) -> Transfers:
    return Transfers(64 * MIB, clock)


def test_a_memory_comes_in_and_goes_out_in_parts(transfers: Transfers) -> None:
    name = transfers.begin()
    for start, part in [(0, b"abc"), (3, b"defg"), (3, b"def")]:  # the last one came twice
        transfers.write(name, start, part)
    with pytest.raises(WorkerUnavailable, match="missing"):
        transfers.write(name, 9, b"x")
    assert transfers.take(name) == b"abcdef"
    name = transfers.begin()
    transfers.fill(name, b"0123456789")
    assert [transfers.read(name, start, 4) for start in (0, 4, 8)] == [b"0123", b"4567", b"89"]
    transfers.end(name)
    with pytest.raises(WorkerUnavailable):
        transfers.read(name, 0, 4)
    with pytest.raises(InvalidMemory):
        transfers.write(transfers.begin(), 0, bytes(64 * MIB + 1))


def test_readers_who_take_a_part_now_and_then_lose_their_places(transfers: Transfers, clock: HeldClock) -> None:
    names = [transfers.begin() for _ in range(4)]
    for name in names:
        transfers.fill(name, bytes(64 * MIB))
    with pytest.raises(Overloaded):
        transfers.begin()
    for minute in range(2):
        clock.now_s += 59
        for name in names:
            transfers.read(name, minute * 64 * KIB, 64 * KIB)
        with pytest.raises(Overloaded):
            transfers.begin()
    clock.now_s += 59
    transfers.begin()
    with pytest.raises(WorkerUnavailable):
        transfers.read(names[0], 128 * KIB, 64 * KIB)


def test_one_who_keeps_up_ends_however_large_the_memory_is(transfers: Transfers, clock: HeldClock) -> None:
    name = transfers.begin()
    transfers.fill(name, bytes(64 * MIB))
    for start in range(0, 64 * MIB, 4 * MIB):
        clock.now_s += 64  # at the slowest pace that a router allows
        transfers.tidy()
        assert len(transfers.read(name, start, 4 * MIB)) == 4 * MIB


def test_an_import_that_stops_loses_its_place(transfers: Transfers, clock: HeldClock) -> None:
    for _ in range(4):
        transfers.write(transfers.begin(), 0, b"x")
    clock.now_s += 119
    with pytest.raises(Overloaded):
        transfers.begin()
    clock.now_s += 2
    transfers.begin()


async def test_what_is_given_up_is_let_go_of_although_nobody_else_comes(
    clock: HeldClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_TIDY_S", 0.01)
    transfers = Transfers(64 * MIB, clock)
    name = transfers.begin()
    transfers.fill(name, b"memory")
    tidying = asyncio.create_task(transfers.keep_tidy())
    clock.now_s += 200
    async with asyncio.timeout(LIMIT_S):
        while True:
            await asyncio.sleep(0.01)
            if len(transfers) == 0:
                break
    tidying.cancel()
