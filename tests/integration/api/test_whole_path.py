"""The whole path: frames through a real broker into memories on Ray, questions over HTTP through Serve."""

import asyncio
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import numpy as np
import openai
import pytest
from kafka import KafkaConsumer, TopicPartition
from PIL import Image

from hermes_ray.client import HermesClient
from hermes_ray.config import Settings
from hermes_ray.errors import UnknownStream
from tests.integration.api.conftest import (
    BODY_LIMIT,
    DAMAGED_STREAM,
    DOORS,
    FIRST_TS_MS,
    FRAME_INTERVAL_MS,
    FRAMES,
    STREAMS,
    WITHOUT_KEYS,
    System,
    published_pictures,
    until,
)
from tests.patience import LIMIT_S

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def url(system: System) -> str:
    """The running service, without keys, with all frames of all streams applied."""
    system.deploy(WITHOUT_KEYS)
    until(lambda: httpx.get(f"{system.url}/v1/streams", timeout=LIMIT_S).status_code == 200)
    return system.url


@pytest.fixture
def http(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, timeout=60) as client:
        yield client


def heard(lines: Iterator[str]) -> tuple[str, dict[str, Any]]:
    """The next event of a connection for updates."""
    name = ""
    for line in lines:
        field, _, value = line.partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            return name, json.loads(value)
    raise AssertionError("the connection has ended")


def test_updates_come_through_the_proxy_as_they_are_made(http: httpx.Client):
    def letters() -> list[int | None]:
        return [
            stream["ingest"] and stream["ingest"]["dead_letters"]
            for stream in http.get("/v1/streams").json()["streams"]
        ]

    until(lambda: sum(count or 0 for count in letters()) == 1)  # the ingest worker has reported
    with http.stream("GET", "/v1/updates") as response:
        lines = response.iter_lines()
        name, told = heard(lines)
        assert (name, set(told["streams"])) == ("streams", set(STREAMS))
        assert told["streams"][DAMAGED_STREAM]["dead_letters"] == 1
        before_ms = told["now_ms"]
        while told["events"] != "current":  # events are kept by an actor of this system; there are none
            name, told = heard(lines)
            assert name == "changes"
            assert told["now_ms"] > before_ms  # each as it is made, and not all of them at the end
            before_ms = told["now_ms"]


def test_streams_are_spread_over_both_workers_within_their_budget(http: httpx.Client):
    streams = http.get("/v1/streams").json()["streams"]
    assert [stream["id"] for stream in streams] == STREAMS
    assert {stream["worker"] for stream in streams} == {"memory-0", "memory-1"}
    for stream in streams:
        assert stream["as_of_ms"] == FIRST_TS_MS + (FRAMES - 1) * FRAME_INTERVAL_MS
        assert max(stream["kv_tokens_per_layer"]) <= stream["kv_prefix"] + stream["kv_budget"]


def test_the_worker_that_holds_a_memory_draws_its_map(http: httpx.Client):
    for stream in STREAMS:
        drawn = http.get(f"/v1/streams/{stream}/memory").json()
        assert drawn["frames"] == list(range(FRAMES))
        assert drawn["captured_ms"] == [FIRST_TS_MS + n * FRAME_INTERVAL_MS for n in range(FRAMES)]
        assert all(min(tier["tokens"]) > 0 for tier in drawn["tiers"])
    assert http.get("/v1/streams/nobody/memory").json()["code"] == "unknown-stream"


def test_the_worker_that_holds_a_memory_shows_its_frames(http: httpx.Client):
    sent = published_pictures().astype(float)
    for stream in STREAMS:
        for frame in range(FRAMES):
            last = frame == FRAMES - 1
            shown = http.get(f"/v1/streams/{stream}/{'latest' if last else f'frames/{frame}'}.jpg")
            assert shown.headers["content-type"] == "image/jpeg"
            assert shown.headers["x-frame"] == str(frame)
            assert shown.headers["x-captured-ms"] == str(FIRST_TS_MS + frame * FRAME_INTERVAL_MS)
            with Image.open(io.BytesIO(shown.content)) as picture:
                apart = np.abs(np.asarray(picture.convert("L")) - sent.mean(axis=3)).mean(axis=(1, 2))
            assert apart.argmin() == frame
        unseen = http.get(f"/v1/streams/{stream}/frames/{FRAMES}.jpg")
        assert (unseen.status_code, unseen.json()["code"]) == (404, "unknown-frame")
    evidence = http.post(f"/v1/streams/{STREAMS[0]}/query", json={"question": "q", "max_tokens": 2}).json()["evidence"]
    for item in evidence:
        assert http.get(item["picture"]).headers["x-captured-ms"] == str(item["captured_ms"])


def test_every_selected_frame_is_counted_as_applied(http: httpx.Client):
    def applied() -> bool:
        ingest = [stream["ingest"] for stream in http.get("/v1/streams").json()["streams"]]
        return all(counts and counts["frames_selected"] == counts["frames_applied"] == FRAMES for counts in ingest)

    until(applied)  # the worker's confirmation follows the frame


@pytest.mark.parametrize("stream", STREAMS)
def test_every_stream_answers_in_json_and_the_same_in_events(http: httpx.Client, stream: str):
    question = {"question": "What is there?", "max_tokens": 6}
    whole = http.post(f"/v1/streams/{stream}/query", json=question).json()
    events = http.post(f"/v1/streams/{stream}/query", json=question | {"stream": True}).text.strip().split("\n\n")
    *tokens, last = [json.loads(event.partition("\ndata: ")[2]) for event in events]

    assert whole["stream"] == stream
    assert whole["frames_seen"] == FRAMES
    assert whole["as_of_ms"] == FIRST_TS_MS + (FRAMES - 1) * FRAME_INTERVAL_MS
    assert whole["worker"] == http.get(f"/v1/streams/{stream}").json()["worker"]
    assert "".join(token["text"] for token in tokens) == last["answer"]
    measured = {"ttft_ms": 0, "age_ms": 0}
    assert last | measured == whole | measured


@pytest.mark.parametrize(
    ("path", "content", "status", "code"),
    [
        ("/v1/streams/nobody/query", b'{"question": "q"}', 404, "unknown-stream"),
        ("/v1/streams/no%20id/query", b'{"question": "q"}', 422, "invalid-stream-id"),
        ("/v1/streams/cam-1/query", b'{"question": " "}', 422, "invalid-question"),
        ("/v1/streams/cam-1/query", b'{"question": "q", "as_of": 1}', 422, "invalid-request"),
        ("/v1/streams/cam-1/query", b"{", 400, "malformed-json"),
        ("/v1/streams/cam-1/query", b" " * (BODY_LIMIT + 1), 413, "body-too-large"),
        ("/v1/streams/cam-1/query", b'{"question": "q", "timeout_s": 0.000001}', 504, "question-timeout"),
        ("/nowhere", b"", 404, "not-found"),
    ],
)
@pytest.mark.parametrize("chunked", [False, True])
def test_errors_pass_through_serve_as_problems(
    http: httpx.Client, path: str, content: bytes, status: int, code: str, chunked: bool
):
    body = iter([content]) if chunked else content
    response = http.post(path, content=body, headers={"content-type": "application/json"})
    assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json")
    assert response.json()["code"] == code
    assert response.headers.get_list("x-request-id") == [response.json()["request_id"]]


def test_a_damaged_frame_is_a_dead_letter_with_its_reason_and_the_stream_goes_on(
    http: httpx.Client, settings: Settings
):
    stream = http.get(f"/v1/streams/{DAMAGED_STREAM}").json()
    assert stream["frames_seen"] == FRAMES
    assert stream["ingest"]["dead_letters"] == 1
    (letter,) = dead_letters(settings)
    assert letter.key == DAMAGED_STREAM.encode()
    assert b"undecodable-media" in dict(letter.headers).values()


def dead_letters(settings: Settings) -> list:
    consumer = KafkaConsumer(bootstrap_servers=settings.kafka.bootstrap_servers, consumer_timeout_ms=2000)
    topic = settings.kafka.dead_letters_topic
    partitions = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic)]
    consumer.assign(partitions)
    consumer.seek_to_beginning(*partitions)
    try:
        return list(consumer)
    finally:
        consumer.close()


def test_leaving_an_answer_frees_its_place_on_the_worker(http: httpx.Client):
    # Each would take far longer than this test; three fill the worker, and then the rest would be refused.
    query = {"question": "What happens?", "max_tokens": 4096, "stream": True}

    def started_and_left() -> bool:
        with http.stream("POST", "/v1/streams/cam-1/query", json=query) as response:
            return next(response.iter_lines()) == "event: token"

    before = complete_answers(http)
    for _ in range(6):
        until(started_and_left)
    assert complete_answers(http) == before


def complete_answers(http: httpx.Client) -> float:
    lines = http.get("/metrics").text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("hermes_answers_total{"))


def test_a_worker_full_of_questions_says_when_to_come_back(url: str):
    query = {"question": "What happens?", "max_tokens": 4096}

    async def ask_many() -> list[httpx.Response]:
        async with httpx.AsyncClient(base_url=url, timeout=60) as client:
            asking = [asyncio.create_task(client.post("/v1/streams/cam-1/query", json=query)) for _ in range(5)]
            done, answering = await asyncio.wait(asking, timeout=1)
            for task in answering:
                task.cancel()
            # A fast machine may have given an answer by now, of thousands of tokens; all were taken or refused before.
            return [task.result() for task in done if task.result().status_code != 200]

    refused: list[httpx.Response] = []

    def two_of_five_are_refused() -> bool:
        nonlocal refused
        refused = asyncio.run(ask_many())
        return len(refused) == 2

    until(two_of_five_are_refused)  # a place is free a moment after its asker has gone
    for response in refused:
        assert (response.status_code, response.json()["code"]) == (429, "overloaded")
        assert int(response.headers["retry-after"]) >= 1


def test_slow_senders_and_questions_about_the_future_hold_no_door_open(http: httpx.Client, url: str):
    question = {"question": "What is there?", "max_tokens": 2}
    # The answers that earlier tests left are over.
    until(lambda: http.post("/v1/streams/cam-1/query", json=question).status_code == 200)
    soon = (datetime.now(UTC) + timedelta(minutes=5)).isoformat()
    future = {"question": "What happens?", "max_tokens": 1, "as_of": soon, "timeout_s": 600}
    host, _, port = url.removeprefix("http://").partition(":")
    head = f"POST /v1/streams/cam-1/query HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n"

    async def ask_beside_them() -> tuple[list[httpx.Response], dict[str, int]]:
        slow = [await asyncio.open_connection(host, int(port)) for _ in range(8 * DOORS)]
        for _, writer in slow:
            writer.write(f"{head}content-length: 1000\r\n\r\n{{".encode())
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(base_url=url, timeout=60, limits=limits) as client:
            waiting = [
                asyncio.create_task(client.post("/v1/streams/cam-1/query", json=future)) for _ in range(4 * DOORS)
            ]
            refused, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            honest = [await client.get("/healthz")]
            honest += [await client.post("/v1/streams/cam-1/query", json=question) for _ in range(3)]
            for task in waiting:
                task.cancel()
        for _, writer in slow:
            writer.close()
        return honest, {task.result().json()["code"]: task.result().status_code for task in refused}

    honest, refused = asyncio.run(ask_beside_them())
    assert [response.status_code for response in honest] == [200] * 4, [response.text for response in honest]
    assert refused.items() <= {"overloaded": 429, "rate-limited": 429}.items()
    assert refused


def test_a_worker_is_drained_over_http_and_has_streams_again(http: httpx.Client):
    def workers() -> dict[str, dict[str, Any]]:
        return {worker["name"]: worker for worker in http.get("/v1/workers").json()["workers"]}

    def streams() -> dict[str, int | None]:
        return {name: one["memory"]["streams"] for name, one in workers().items() if one["role"] == "memory"}

    found = workers()
    assert set(found) == {"memory-0", "memory-1", "ingest-0"}
    assert found["ingest-0"]["ingest"]["dead_letters"] == {"undecodable-media": 1}
    assert streams() == {"memory-0": 2, "memory-1": 2}
    unknown = http.post("/v1/workers/memory-7/drain")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown-worker")
    assert http.post("/v1/workers/memory-1/drain").json() == {"worker": "memory-1", "draining": True}
    until(lambda: streams() == {"memory-0": 4, "memory-1": 0})
    assert {name: one["draining"] for name, one in workers().items()} == {
        "memory-0": False,
        "memory-1": True,
        "ingest-0": False,
    }
    for stream in STREAMS:
        answer = http.post(f"/v1/streams/{stream}/query", json={"question": "What is there?", "max_tokens": 2}).json()
        assert (answer["worker"], answer["frames_seen"]) == ("memory-0", FRAMES)
    assert http.delete("/v1/workers/memory-1/drain").json() == {"worker": "memory-1", "draining": False}
    until(lambda: streams() == {"memory-0": 2, "memory-1": 2})
    assert not any(one["draining"] for one in workers().values())


def test_an_openai_client_talks_to_a_camera(url: str):
    with openai.OpenAI(base_url=f"{url}/v1", api_key="unused", max_retries=0) as client:
        assert [model.id for model in client.models.list()] == [f"stream/{stream}" for stream in STREAMS]
        chunks = client.chat.completions.create(
            model="stream/cam-2", messages=[{"role": "user", "content": "What is there?"}], max_tokens=4, stream=True
        )
        assert [chunk.choices[0].finish_reason for chunk in chunks][-1] in ("stop", "length")


def test_our_client_raises_what_the_server_meant(url: str):
    with HermesClient(url) as client:
        client.ready()
        with pytest.raises(UnknownStream):
            client.stream("nobody")


def test_the_document_and_its_page_are_served(http: httpx.Client):
    assert http.get("/openapi.json").json()["info"]["title"] == "hermes-ray"
    assert http.get("/docs").status_code == 200
    assert http.get("/healthz").json() == {"status": "ok"}
