"""Events over HTTP are searched and shown, also by the clients, the command line and an agent."""

import asyncio
import json
import time

import httpx
import pytest
from mcp import Client
from typer.testing import CliRunner

from hermes_ray.cli.main import app as app_of_commands
from hermes_ray.client import AsyncHermesClient, HermesClient
from hermes_ray.errors import UnknownEvent
from tests.patience import LIMIT_S
from tests.unit.api.conftest import in_process
from tests.unit.events.conftest import line, match


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
