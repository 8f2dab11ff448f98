"""Events are followed without a gap, over connections, replicas and restarts, and after a restore."""

import asyncio
import itertools

import httpx

from hermes_ray.client import AsyncHermesClient, HermesClient
from hermes_ray.config import EventSettings
from hermes_ray.events.database import EventDatabase
from tests.patience import LIMIT_S
from tests.unit.api.conftest import on_socket
from tests.unit.api.events.kept.application import SEE_EVENTS, Follower, Kept
from tests.unit.events.conftest import match


async def test_followers_miss_nothing_over_connections(url, kept):
    kept.store(match(0))
    async with Follower(url) as follower:
        assert await follower.next() is None  # it begins now, and says where that is
        kept.store(match(1), match(2, stream="yard"))
        assert await follower.frames(2) == [1, 2]
        place = follower.place
    kept.store(match(3), match(4))
    async with Follower(url, place=place) as follower:
        assert await follower.frames(2) == [3, 4]
        kept.store(match(4), match(5))
        assert await follower.frames(1) == [5]
    async with Follower(url, "?stream=yard", place.partition("-")[0] + "-0") as follower:
        assert await follower.frames(1) == [2]


async def test_a_place_before_the_first_event_counts(url, kept):
    async with Follower(url) as follower:
        await follower.next()
        place = follower.place
    kept.store(match(1))
    async with Follower(url, place=place) as follower:
        assert await follower.frames(1) == [1]


async def test_more_events_than_one_piece_come_in_order(url, kept):
    async with Follower(url) as follower:
        await follower.next()
        kept.store(*[match(frame) for frame in range(130)])
        assert await follower.frames(130) == list(range(130))


async def test_a_place_in_another_database_begins_at_the_beginning(url, kept):
    kept.store(match(1), match(2))
    async with Follower(url, place="abcdef-700") as follower:
        assert await follower.frames(2) == [1, 2]


async def test_a_place_of_somebody_else_is_refused(http):
    answer = await http.get("/v1/events", headers=SEE_EVENTS | {"Last-Event-ID": "'; DROP TABLE events"})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-request")


async def test_places_and_cursors_lead_on_at_another_replica_and_after_a_restart(kept, engine, tmp_path):
    kept.store(*[match(frame) for frame in range(5)])
    with on_socket(kept.app()) as url:
        async with Follower(url) as follower:
            await follower.next()
            place = follower.place
        async with httpx.AsyncClient(base_url=url, timeout=LIMIT_S) as client:
            cursor = (await client.get("/v1/events", params={"limit": 2})).json()["next"]
    with EventDatabase(f"sqlite:///{tmp_path}/events.sqlite", EventSettings()) as database:
        database.prepare()
        other = Kept(engine, database)
        other.store(match(9))
        with on_socket(other.app()) as url:
            async with Follower(url, place=place) as follower:
                assert await follower.frames(1) == [9]
            async with httpx.AsyncClient(base_url=url, timeout=LIMIT_S) as client:
                page = (await client.get("/v1/events", params={"limit": 2, "cursor": cursor})).json()
    assert [event["frame"] for event in page["events"]] == [2, 1]


async def test_a_place_from_before_the_database_was_restored_is_gone_and_not_merely_wrong(http, kept):
    kept.store(*[match(frame) for frame in range(5)])
    page = (await http.get("/v1/events", params={"limit": 2})).json()
    kept.restore()
    answer = await http.get("/v1/events", params={"limit": 2, "cursor": page["next"]})
    assert (answer.status_code, answer.json()["code"]) == (410, "events-place-lost")
    assert "begin without it" in answer.json()["detail"]


async def test_who_follows_a_database_that_is_restored_is_told_and_goes_on(kept):
    told, gaps = [], []

    async def listen(url):
        async with AsyncHermesClient(url) as client:
            async for event in client.follow_events(on_gap=gaps.append):
                told.append(event.frame)  # noqa: PERF401 - to be looked at before the end

    async def store_until(condition):
        async with asyncio.timeout(LIMIT_S):
            while not condition():
                if listening.done():
                    await listening
                kept.store(match(next(numbers)))
                await asyncio.sleep(0.02)

    numbers = itertools.count(10)
    with on_socket(kept.app()) as url:
        listening = asyncio.ensure_future(listen(url))
        await store_until(lambda: told)
        kept.restore()
        await store_until(lambda: gaps)
        known = len(told)
        await store_until(lambda: len(told) > known)
        listening.cancel()
        await asyncio.wait([listening])  # before the server, which waits for it, ends
    (gap,) = gaps
    assert "may be missing" in gap
    assert told == sorted(set(told))


def test_a_list_whose_pages_are_of_before_the_restore_is_listed_anew(kept):
    kept.store(*[match(frame, evidence=()) for frame in range(600)])  # two pages
    answered = []

    def restore_behind_the_first_page(response):
        answered.append(response.status_code)
        if len(answered) == 1:
            kept.restore()

    with on_socket(kept.app()) as url, HermesClient(url) as client:
        client._http.event_hooks["response"] = [restore_behind_the_first_page]
        found = client.events()
    assert answered == [200, 410, 200, 200]
    assert [event.frame for event in found] == list(range(599, -1, -1))
