"""Events are told to those only to whom they belong, and nobody takes all places of followers."""

import asyncio
from datetime import UTC, datetime

import httpx
import pytest

from hermes_ray.api.keys.key_file import KeyFile, new_key, read_keys, write_keys
from hermes_ray.api.keys.scoped_events import ScopedEvents
from hermes_ray.api.keys.scopes import Caller, Scope
from hermes_ray.client import AsyncHermesClient
from hermes_ray.config import EventSettings
from hermes_ray.errors import Unauthorized
from hermes_ray.events.database import EventDatabase
from hermes_ray.events.delivery.progress import TargetProgress
from hermes_ray.events.kept import EventFilter, Resent
from hermes_ray.events.local import LocalEvents
from hermes_ray.events.writing import EventWriter
from tests.patience import LIMIT_S
from tests.unit.api.conftest import on_socket
from tests.unit.api.events.kept.application import SEE_EVENTS, Follower
from tests.unit.events.conftest import match, store


async def test_places_do_not_count_the_events_of_others(kept, tmp_path):
    secret = keys_at(tmp_path / "keys.json", ["yard"])
    with on_socket(kept.app(keys_file=tmp_path / "keys.json")) as url:
        places = []
        for foreign in (0, 40):
            kept.store(*[match(frame) for frame in range(foreign)])
            async with Follower(url, key=secret) as follower:
                await follower.next()
                places.append(follower.place)
        numbers = [text.partition("-")[2] for text in places]
        async with Follower(url, key=secret, place=f"{places[0].partition('-')[0]}-30") as follower:
            kept.store(match(2, stream="yard"))
            assert await follower.frames(1) == [2]  # whatever number is chosen, it is the beginning
    assert numbers[0] != numbers[1]
    assert len(numbers[0]) == len(numbers[1])
    assert not any(number.isdecimal() for number in numbers)


def keys_at(file, streams, name="reader"):
    """Write a file of one key, which sees these streams; returns its secret."""
    reader, secret = new_key(name, [Scope.READ], streams, datetime.now(UTC), None)
    write_keys(file, KeyFile(keys=(reader,)))
    return secret


def change_keys(file, **changes):
    """Give the only key of a file other rights."""
    (key,) = read_keys(file).keys
    write_keys(file, KeyFile(keys=(key.model_copy(update=changes),)))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"expires": datetime(2020, 1, 1, tzinfo=UTC)}, "unauthorized"),
        ({"sha256": "0" * 64}, "unauthorized"),
        ({"streams": ("yard",)}, "forbidden"),
        ({"scopes": frozenset({Scope.ASK})}, "forbidden"),
    ],
)
async def test_a_key_that_is_not_what_it_was_is_told_nothing_more(kept, tmp_path, change, code):
    file = tmp_path / "keys.json"
    secret = keys_at(file, ["*"])
    with on_socket(kept.app(keys_file=file)) as url:
        async with Follower(url, key=secret) as follower:
            await follower.next()
            kept.store(match(1))
            assert await follower.frames(1) == [1]
            change_keys(file, **change)
            ended = asyncio.ensure_future(follower.problem())
            number = 10
            while not ended.done():
                kept.store(match(number := number + 1))
                await asyncio.sleep(0.02)
            problem = await ended
    assert (problem["code"], problem["instance"]) == (code, "/v1/events")


async def test_a_revoked_key_is_an_error_for_who_follows_with_a_client(kept, tmp_path):
    file = tmp_path / "keys.json"
    secret = keys_at(file, ["*"])
    told = []

    async def listen(url):
        async with AsyncHermesClient(url, api_key=secret) as client:
            async for event in client.follow_events():
                told.append(event.frame)  # noqa: PERF401 - to be looked at before the end

    with on_socket(kept.app(keys_file=file)) as url:
        listening = asyncio.ensure_future(listen(url))
        number = 10
        while not listening.done():
            kept.store(match(number := number + 1))
            await asyncio.sleep(0.02)
            if told:
                write_keys(file, KeyFile())
        with pytest.raises(Unauthorized, match="revoked"):
            await listening
    assert told == list(range(told[0], told[-1] + 1))


async def test_one_key_or_address_takes_its_share_of_followers_alone(kept, tmp_path):
    with on_socket(kept.app(limits={"followers": 2})) as url:
        async with Follower(url) as first:
            async with Follower(url):
                async with httpx.AsyncClient(base_url=url, headers=SEE_EVENTS, timeout=LIMIT_S) as client:
                    refused = await client.get("/v1/events")
                async with Follower(url, address="127.0.0.2"):
                    pass
            assert (refused.status_code, refused.json()["code"]) == (429, "rate-limited")
            assert refused.headers["content-type"] == "application/problem+json"
            assert int(refused.headers["retry-after"]) > 0
            assert "api.limits.followers" in refused.json()["detail"]
            await first.next()
            assert await eventually_follows(url)  # the place of the one that has gone


async def eventually_follows(url):
    """Whether another follower is let in before the time is over."""
    async with asyncio.timeout(LIMIT_S), httpx.AsyncClient(base_url=url, headers=SEE_EVENTS, timeout=LIMIT_S) as client:
        while True:
            async with client.stream("GET", "/v1/events") as response:
                if response.status_code == 200:
                    return True
            await asyncio.sleep(0.02)


async def test_who_is_refused_for_a_wrong_place_takes_none(kept):
    with on_socket(kept.app(limits={"followers": 1})) as url:
        async with httpx.AsyncClient(
            base_url=url, headers=SEE_EVENTS | {"Last-Event-ID": "?"}, timeout=LIMIT_S
        ) as client:
            statuses = [(await client.get("/v1/events")).status_code for _ in range(3)]
        assert statuses == [422] * 3
        async with Follower(url) as follower:
            await follower.next()


async def test_events_of_foreign_streams_do_not_exist(kept, tmp_path):
    reader, secret = new_key("reader", [Scope.READ], ["yard"], datetime.now(UTC), None)
    write_keys(tmp_path / "keys.json", KeyFile(keys=(reader,)))
    kept.store(match(1), match(2, stream="yard"))
    headers = {"Authorization": f"Bearer {secret}"}
    with on_socket(kept.app(keys_file=tmp_path / "keys.json")) as url:
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=LIMIT_S) as client:
            listed = (await client.get("/v1/events")).json()["events"]
            foreign = await client.get(f"/v1/events/{match(1).id}")
            missing = await client.get("/v1/events/none")
            picture = await client.get(f"/v1/events/{match(1).id}/thumbnails/0.jpg")
            deliveries = await client.get("/v1/deliveries/failed")
            keyless = await httpx.AsyncClient(timeout=LIMIT_S).get(f"{url}/v1/events")
    assert [event["stream"] for event in listed] == ["yard"]
    assert foreign.json()["detail"] == missing.json()["detail"].replace("'none'", repr(match(1).id))
    assert (picture.status_code, deliveries.status_code, keyless.status_code) == (404, 403, 401)


async def test_failed_deliveries_of_others_hide_none_of_ones_own(tmp_path):
    with EventDatabase(f"sqlite:///{tmp_path}/events.sqlite", EventSettings()) as database:
        database.prepare()
        store(EventWriter(database, 1000), match(1, stream="yard"), match(2), match(3))
        events, progress = LocalEvents(database), TargetProgress(database, "webhook:door")
        for kept in (await events.updates("", 0, EventFilter(), 10, 0.0)).events:
            progress.give_up(kept, 5, "status 404")
        caller = Caller("id", "guard", frozenset({Scope.MANAGE}), ("yard",))
        found = await ScopedEvents(events, caller).failed_deliveries((), 1)
        of_another = await ScopedEvents(events, caller).failed_deliveries((["gate"],), 10)
        events.close()
    assert [failed.event.event.stream_id for failed in found] == ["yard"]
    assert of_another == []


async def test_only_deliveries_of_ones_own_streams_are_sent_again(tmp_path):
    with EventDatabase(f"sqlite:///{tmp_path}/events.sqlite", EventSettings()) as database:
        database.prepare()
        store(EventWriter(database, 1000), match(1, stream="yard"), match(2))
        events, progress, sent = LocalEvents(database), TargetProgress(database, "webhook:door"), []
        for kept in (await events.updates("", 0, EventFilter(), 10, 0.0)).events:
            progress.give_up(kept, 5, "status 404")
        events.sends_again("webhook:door", sent.append)
        caller = Caller("id", "guard", frozenset({Scope.MANAGE}), ("yard",))
        found = await ScopedEvents(events, caller).resend((), None, [match(1, stream="yard").id, match(2).id])
        events.close()
    assert (found, [failed.event.event.stream_id for failed in sent]) == (Resent(1, 0), ["yard"])
