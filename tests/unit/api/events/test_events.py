"""Events over HTTP: searched, followed without a gap, shown, and only to whom they belong."""

import asyncio
import itertools
import json
import os
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import httpx
import pytest
from mcp import Client
from typer.testing import CliRunner

from hermes_ray.api.application import create_app
from hermes_ray.api.engine_backend import EngineBackend
from hermes_ray.api.keys.key_file import KeyFile, new_key, read_keys, write_keys
from hermes_ray.api.keys.scoped_events import ScopedEvents
from hermes_ray.api.keys.scopes import Caller, Scope
from hermes_ray.cli.main import app as app_of_commands
from hermes_ray.client import AsyncHermesClient, HermesClient
from hermes_ray.config import EventSettings, load
from hermes_ray.errors import Unauthorized, UnknownEvent
from hermes_ray.events.database import EventDatabase
from hermes_ray.events.delivery.progress import TargetProgress
from hermes_ray.events.kept import EventFilter, Resent
from hermes_ray.events.local import LocalEvents
from hermes_ray.events.reading import EventReader
from hermes_ray.events.tables import IDENTITY
from hermes_ray.events.writing import EventWriter
from hermes_ray.transport.topic_ends import TopicEnds
from tests.patience import LIMIT_S
from tests.unit.api.conftest import STREAM, in_process, on_socket
from tests.unit.events.conftest import LOG, NOW_MS, line, match, store

SEE_EVENTS = {"Accept": "text/event-stream"}


class Kept:
    """A database of events, and the application over it."""

    def __init__(self, engine, database):
        self._engine = engine
        self._database = database
        self._writer = EventWriter(database, 1000)
        self._open: list[LocalEvents] = []

    def store(self, *events):
        store(self._writer, *events)
        for events in self._open:
            events.announce()

    def give_up(self, target):
        progress = TargetProgress(self._database, target)
        for found in EventReader(self._database).after(0, EventFilter(), 100).events:
            progress.give_up(found, 5, "status 404")

    def restore(self):
        """As an older copy, to which the migration gives a secret of its own."""
        with self._database.writing() as connection:
            connection.execute(IDENTITY.update().values(secret=os.urandom(32)))

    def erase(self, stream_id):
        self._writer.erase(stream_id, TopicEnds(LOG, {0: 1000}), NOW_MS)

    def app(self, limits=None, **access):
        @asynccontextmanager
        async def open_backend():
            events = LocalEvents(self._database)
            self._open.append(events)
            yield EngineBackend(self._engine, events=events)
            events.close()

        return create_app(
            open_backend, load(overrides={"api": {"access": {"audit": "off", **access}, "limits": limits or {}}})
        )


@pytest.fixture
def kept(engine, tmp_path):
    with EventDatabase(f"sqlite:///{tmp_path}/events.sqlite", EventSettings()) as database:
        database.prepare()
        yield Kept(engine, database)


@pytest.fixture
async def http(kept):
    async with in_process(kept.app()) as client:
        yield client


@pytest.fixture
def url(kept):
    with on_socket(kept.app()) as url:
        yield url


class Follower:
    """Reads server-sent events line by line, as the standard has it (WHATWG HTML, section 9.2.6)."""

    def __init__(self, url, query="", place=None, key=None, address=None):
        headers = SEE_EVENTS | ({} if place is None else {"Last-Event-ID": place})
        headers |= {} if key is None else {"Authorization": f"Bearer {key}"}
        self._request = httpx.AsyncClient(timeout=30, transport=httpx.AsyncHTTPTransport(local_address=address))
        self._opening = self._request.stream("GET", f"{url}/v1/events{query}", headers=headers)
        self.place = place
        self.name = None

    async def __aenter__(self):
        response = await self._opening.__aenter__()
        assert response.headers["content-type"].startswith("text/event-stream"), await response.aread()
        self._lines = response.aiter_lines()
        return self

    async def __aexit__(self, *error):
        await self._opening.__aexit__(*error)
        await self._request.aclose()

    async def problem(self):
        """The last event, which is a problem."""
        while self.name != "problem":
            found = await self.next()
        with pytest.raises(AssertionError, match="has ended"):
            await self.next()
        return found

    async def next(self):
        """The data of the next event; ``None`` for a place alone."""
        data = ""
        async for text in self._lines:
            name, _, value = text.partition(": ")
            if name == "id":
                self.place = value
            elif name == "event":
                self.name = value
            elif name == "data":
                data = httpx.Response(200, text=value).json()
            elif not text and (data or self.place is not None):
                return data or None
        raise AssertionError("the stream has ended")

    async def frames(self, count):
        found = []
        while len(found) < count:
            if (event := await self.next()) is not None:
                found.append(event["frame"])
        return found


async def test_events_are_found_and_shown(http, kept):
    kept.store(match(1), line(2, "A red truck leaves."), match(3, stream="yard", answer="no"))
    path = (await http.get("/")).json()["events"]
    found = (await http.get(path, params={"q": "red truck", "stream": "ga*"})).json()
    assert [event["frame"] for event in found["events"]] == [2, 1]
    assert found["next"] is None
    journal, first = found["events"]
    assert (journal["kind"], journal["since"], journal["captured"]) == (
        "journal",
        "2026-01-02T03:03:07.000Z",
        "2026-01-02T03:04:07.000Z",
    )
    assert (await http.get(f"/v1/events/{first['id']}")).json() == first
    picture = await http.get(first["evidence"][0]["thumbnail"])
    assert (picture.content, picture.headers["content-type"]) == (b"jpeg", "image/jpeg")
    since = (await http.get("/v1/events", params={"since": "2026-01-02T03:04:08Z", "kind": "match"})).json()
    assert [event["frame"] for event in since["events"]] == [3]


async def test_pages_lead_to_one_another(http, kept):
    kept.store(*[match(frame) for frame in range(7)])
    seen, cursor = [], None
    while True:
        asked = {"limit": 3} | ({} if cursor is None else {"cursor": cursor})
        page = (await http.get("/v1/events", params=asked)).json()
        seen += [event["frame"] for event in page["events"]]
        if (cursor := page["next"]) is None:
            break
    assert seen == [6, 5, 4, 3, 2, 1, 0]


@pytest.mark.parametrize(
    "query",
    [
        "cursor=bm9uZQ",
        "since=yesterday",
        "until=0.5",
        "kind=alarm",
        "limit=0",
        "colour=red",
        "cursor=" + "A" * 63,
    ],
)
async def test_wrong_wishes_are_refused(http, query):
    answer = await http.get(f"/v1/events?{query}")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-request")


async def test_what_is_not_there_is_said(http, kept):
    kept.store(match(1, evidence=()))
    assert (await http.get("/v1/events/none")).json()["code"] == "unknown-event"
    assert (await http.get(f"/v1/events/{match(1).id}/thumbnails/0.jpg")).json()["code"] == "unknown-event"


async def test_an_engine_alone_keeps_none(app):
    async with in_process(app) as client:
        answer = await client.get("/v1/events")
    assert (answer.status_code, answer.json()["code"]) == (503, "events-unavailable")


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


async def test_the_clients_find_follow_and_show(url, kept):
    kept.store(match(1), match(2, stream="yard"))
    with HermesClient(url) as client:
        (event,) = client.events(q="truck", stream=["yard"])
        assert client.event(event.id) == event
        assert client.event_thumbnail(event.id, 0) == b"jpeg"
        with pytest.raises(UnknownEvent):
            client.event("none")
    async with AsyncHermesClient(url) as client:
        assert [found.frame for found in await client.events(limit=1)] == [2]
        followed = client.follow_events(stream=["gate"])
        following = asyncio.ensure_future(anext(followed))
        number = 10
        while not following.done():  # it is told of those that come once it listens
            kept.store(match(number := number + 1))
            await asyncio.sleep(0.05)
        began = (await following).frame
        kept.store(match(1000))
        told = [began]
        while told[-1] != 1000:
            told.append((await anext(followed)).frame)
        assert told == [*range(began, number + 1), 1000]
        await followed.aclose()


async def test_a_question_with_history_reads_the_journal(http, kept):
    kept.store(line(1, "A red truck unloads boxes.", stream=STREAM), line(2, "All quiet.", stream=STREAM))
    kept.store(line(3, "A red truck burns.", stream="yard"))
    asked = {"question": "When did the truck come?", "max_tokens": 1}
    without = (await http.post(f"/v1/streams/{STREAM}/query", json=asked)).json()
    answer = (await http.post(f"/v1/streams/{STREAM}/query", json=asked | {"history": True})).json()
    assert without["history"] == []
    assert answer["history"] == [
        {
            "event": line(1, "", stream=STREAM).id,
            "since": "2026-01-02T03:03:06.000Z",
            "until": "2026-01-02T03:04:06.000Z",
            "text": "A red truck unloads boxes.",
        }
    ]
    assert answer["usage"]["prompt_tokens"] > without["usage"]["prompt_tokens"] + 5
    assert answer["question"] == asked["question"]
    several = (await http.post("/v1/query", json=asked | {"history": True, "streams": [STREAM]})).json()
    assert several["results"][0]["answer"]["history"] == answer["history"]


async def test_history_that_does_not_fit_is_left_out_oldest_first(http, kept):
    long = "truck " * 400
    kept.store(*[line(frame, f"{frame} {long}", stream=STREAM) for frame in range(8)])
    asked = {"question": "Which truck came?" + " Tell me all." * 60, "max_tokens": 1, "history": True}
    answer = (await http.post(f"/v1/streams/{STREAM}/query", json=asked)).json()
    named = [int(found["text"].split()[0]) for found in answer["history"]]
    assert 0 < len(named) < 8
    assert named == list(range(8 - len(named), 8))


async def test_history_that_cannot_be_had_is_no_answer_without_it(app):
    async with in_process(app) as client:
        answer = await client.post(f"/v1/streams/{STREAM}/query", json={"question": "Who?", "history": True})
    assert (answer.status_code, answer.json()["code"]) == (503, "events-unavailable")


def hermes(*arguments):
    return CliRunner().invoke(app_of_commands, ["events", *arguments])


def test_the_command_finds_events_by_words_and_age(url, kept):
    now_ms = time.time_ns() // 1_000_000
    kept.store(
        match(1, captured_ms=now_ms - 3_600_000), match(2, captured_ms=now_ms - 3 * 86_400_000), line(3, "Quiet.")
    )
    found = json.loads(hermes("search", "red truck", "--since", "2d", "--url", url, "--json").stdout)["events"]
    assert [event["frame"] for event in found] == [1]
    shown = hermes("search", "--kind", "journal", "--url", url)
    assert (shown.exit_code, "Quiet." in shown.stdout) == (0, True)
    refused = hermes("search", "--since", "yesterday", "--url", url)
    assert (refused.exit_code, "--since yesterday" in refused.stderr) == (2, True)
    assert "no delivery" in hermes("failed", "--url", url).stdout


def test_the_command_sends_again_what_it_is_told(url, kept):
    kept.store(match(1), match(2))
    kept.give_up("webhook:door")
    refused = hermes("resend", "--url", url)
    assert (refused.exit_code, "--all" in refused.stderr) == (2, True)
    assert hermes("resend", "--all", "--target", "mqtt", "--url", url).exit_code == 2
    sent = json.loads(hermes("resend", match(1).id, "--url", url, "--json").stdout)
    assert sent == {"queued": 0, "left": 1, "waiting": 0}  # there is no such target in this application
    assert json.loads(hermes("resend", "--all", "--url", url, "--json").stdout)["left"] == 2
    assert json.loads(hermes("resend", "--target", "mqtt", "--url", url, "--json").stdout)["left"] == 0
    assert "2 are not" in hermes("resend", "--all", "--url", url).stdout
    none = httpx.post(f"{url}/v1/deliveries/failed/resend", json={"events": []}, timeout=LIMIT_S)
    assert (none.status_code, none.json()["code"]) == (422, "invalid-request")  # none is not all
    wrong = httpx.post(f"{url}/v1/deliveries/failed/resend", json={"target": "door"}, timeout=LIMIT_S)
    assert (wrong.status_code, "target" in wrong.json()["detail"]) == (422, True)


async def test_an_agent_finds_events(url, kept):
    kept.store(match(1), line(2, "A red truck leaves.", stream="yard"), line(3, "All quiet."))
    async with Client(f"{url}/mcp", mode="auto") as client:
        found = await client.call_tool("find_events", {"words": "red truck", "camera": "ya*"})
    assert [event["answer"] for event in found.structured_content["events"]] == ["A red truck leaves."]
