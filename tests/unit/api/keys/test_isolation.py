"""What is one caller's is not another's: streams, conversations, places."""

import asyncio
from collections.abc import Iterator

import httpx
import numpy as np
import pytest
from structlog.testing import capture_logs

from hermes_ray.engine import StreamEngine
from tests.unit.api.conftest import FIRST_TS_MS, STREAM, eventually
from tests.unit.api.keys.conftest import MakeKey, Serve, bearer

HIDDEN = "back-door"
SESSION = {"question": "What is there?", "max_tokens": 2, "session_id": "ours"}


@pytest.fixture(autouse=True)
def another_stream(engine: StreamEngine) -> Iterator[None]:
    engine.ingest(HIDDEN, [np.zeros((64, 64, 3), np.uint8)], [FIRST_TS_MS]).result(60)
    yield
    engine.drop(HIDDEN)


def without_ids(response: httpx.Response) -> dict:
    body = response.json()
    return {name: value for name, value in body.items() if name not in ("request_id", "instance")} | {
        "detail": body["detail"].replace(HIDDEN, "X").replace("no-such", "X")
    }


async def test_streams_outside_of_a_keys_globs_look_like_none(serve: Serve, make_key: MakeKey):
    secret = make_key("ask", "read", "manage", streams=("front-*", "side-?"))
    async with serve() as http:
        http.headers.update(bearer(secret))
        assert [stream["id"] for stream in (await http.get("/v1/streams")).json()["streams"]] == [STREAM]
        assert [model["id"] for model in (await http.get("/v1/models")).json()["data"]] == [f"stream/{STREAM}"]

        def chat(stream: str) -> dict:
            return {"model": f"stream/{stream}", "messages": [{"role": "user", "content": "q"}]}

        for method, path, body in [
            ("GET", "/v1/streams/{}", None),
            ("GET", "/v1/streams/{}/memory", None),
            ("GET", "/v1/streams/{}/examples", None),
            ("GET", "/v1/streams/{}/latest.jpg", None),
            ("GET", "/v1/streams/{}/frames/0.jpg", None),
            ("POST", "/v1/streams/{}/query", {"question": "q"}),
            ("POST", "/v1/streams/{}/query", {"question": "q", "stream": True}),
            ("POST", "/v1/streams/{}/reset", None),
            ("DELETE", "/v1/streams/{}", None),
            ("PATCH", "/v1/streams/{}", {"labels": {"site": "north"}}),
            ("GET", "/v1/streams/{}/export", None),
            ("POST", "/v1/streams/{}/import?replace=true", None),
        ]:
            hidden = await http.request(method, path.format(HIDDEN), json=body)
            nobody = await http.request(method, path.format("no-such"), json=body)
            assert (hidden.status_code, hidden.json()["code"]) == (404, "unknown-stream")
            assert without_ids(hidden) == without_ids(nobody)
        assert (await http.post("/v1/chat/completions", json=chat(HIDDEN))).status_code == 404
        assert (await http.post("/v1/streams/front-door/query", json=SESSION)).status_code == 200
    async with serve() as http:  # nothing was forgotten by the one who may not see it
        everything = make_key("read")
    async with serve() as http:
        streams = (await http.get("/v1/streams", headers=bearer(everything))).json()["streams"]
        assert {stream["id"] for stream in streams} == {STREAM, HIDDEN}


async def test_a_conversation_is_of_the_key_that_began_it(serve: Serve, make_key: MakeKey):
    mine, yours = make_key("ask"), make_key("ask")
    path = f"/v1/streams/{STREAM}/query"
    async with serve() as http:

        async def prompt_tokens(secret: str) -> int:
            response = await http.post(path, json=SESSION, headers=bearer(secret))
            return response.json()["usage"]["prompt_tokens"]

        fresh = await prompt_tokens(mine)
        continued = await prompt_tokens(mine)
        assert continued > fresh
        assert await prompt_tokens(yours) == fresh
        assert await prompt_tokens(mine) > continued


async def test_a_callers_questions_have_a_bound_and_others_go_on(serve: Serve, make_key: MakeKey, engine: StreamEngine):
    greedy, honest = make_key("ask", name="greedy"), make_key("ask")
    path = f"/v1/streams/{STREAM}/query"
    later = {"question": "q", "as_of": "2026-01-02T03:04:17Z", "timeout_s": 60}
    async with serve(limits={"questions": 3, "questions_ahead": 2}) as http:
        waiting = [asyncio.create_task(http.post(path, json=later, headers=bearer(greedy))) for _ in range(2)]
        await until_waiting(engine, 2)
        refused = await http.post(path, json=later, headers=bearer(greedy))
        assert (refused.status_code, refused.json()["code"]) == (429, "rate-limited")
        assert "questions_ahead" in refused.json()["detail"]
        assert "greedy" in refused.json()["detail"]
        assert int(refused.headers["retry-after"]) >= 1
        for secret in (greedy, honest):
            response = await http.post(path, json={"question": "q", "max_tokens": 1}, headers=bearer(secret))
            assert response.status_code == 200
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        await until_waiting(engine, 0)


async def test_a_full_share_takes_no_turn_from_others(serve: Serve, make_key: MakeKey, engine: StreamEngine):
    greedy, honest = make_key("ask"), make_key("ask")
    path = f"/v1/streams/{STREAM}/query"
    later = {"question": "q", "as_of": "2026-01-02T03:04:17Z", "timeout_s": 60}
    async with serve(limits={"questions": 1}, max_ongoing_requests=1, max_queued_requests=1) as http:
        holding = asyncio.create_task(http.post(path, json=later, headers=bearer(greedy)))
        await until_waiting(engine, 1)
        brief = {"question": "q", "timeout_s": 0.2}
        with capture_logs() as lines:
            codes = [
                (await http.post(path, json=brief, headers=bearer(secret))).json()["code"]
                for secret in (greedy, honest, greedy)
            ]
        assert codes == ["rate-limited", "question-timeout", "rate-limited"]
        assert [line["outcome"] for line in lines if line["event"] == "audit"] == codes
        holding.cancel()
        await asyncio.gather(holding, return_exceptions=True)
        await until_waiting(engine, 0)


async def test_one_key_leaves_half_of_the_places_to_others(serve: Serve, make_key: MakeKey, engine: StreamEngine):
    greedy, honest = make_key("ask"), make_key("ask")
    path = f"/v1/streams/{STREAM}/query"
    later = {"question": "q", "as_of": "2026-01-02T03:04:17Z", "timeout_s": 60}
    async with serve(max_ongoing_requests=4, max_queued_requests=0) as http:
        holding = [asyncio.create_task(http.post(path, json=later, headers=bearer(greedy))) for _ in range(2)]
        await until_waiting(engine, 2)
        now = {"question": "q", "max_tokens": 1}
        refused = await http.post(path, json=now, headers=bearer(greedy))
        assert (refused.status_code, refused.json()["code"]) == (429, "rate-limited")
        assert (await http.post(path, json=now, headers=bearer(honest))).status_code == 200
        for task in holding:
            task.cancel()
        await asyncio.gather(*holding, return_exceptions=True)
        await until_waiting(engine, 0)


@pytest.mark.parametrize("share", [1, 3])
async def test_a_question_to_many_streams_does_not_use_up_its_own_share(
    serve: Serve, make_key: MakeKey, engine: StreamEngine, share: int
):
    secret = make_key("ask")
    many = [f"dock-{number}" for number in range(12)]
    for stream in many:
        engine.ingest(stream, [np.zeros((64, 64, 3), np.uint8)], [FIRST_TS_MS]).result(60)
    async with serve(limits={"questions": share}) as http:
        asked = {"streams": many, "question": "q", "max_tokens": 1}
        results = (await http.post("/v1/query", json=asked, headers=bearer(secret))).json()["results"]
    for stream in many:
        engine.drop(stream)
    assert [result["problem"] for result in results] == [None] * len(many)


async def until_waiting(engine: StreamEngine, count: int) -> None:
    assert await eventually(lambda: engine.stats().questions_waiting == count)


async def test_too_many_requests_of_one_key_are_refused_and_the_others_served(serve: Serve, make_key: MakeKey):
    greedy, honest = make_key("read"), make_key("read")
    async with serve(limits={"requests_per_s": 0.001, "burst": 2}) as http:
        statuses = [(await http.get("/v1/streams", headers=bearer(greedy))).status_code for _ in range(3)]
        assert statuses == [200, 200, 429]
        assert (await http.get("/v1/streams", headers=bearer(honest))).status_code == 200
        refused = await http.get("/v1/streams", headers=bearer(greedy))
        assert refused.json()["code"] == "rate-limited"
        assert 900 < int(refused.headers["retry-after"]) <= 1000
        assert (await http.get("/healthz", headers=bearer(greedy))).status_code == 200


async def test_callers_without_a_key_share_one_bucket(serve: Serve):
    async with serve(keyed=False, limits={"requests_per_s": 0.001, "burst": 2}) as http:
        assert [(await http.get("/v1/streams")).status_code for _ in range(3)] == [200, 200, 429]


async def test_whoever_guesses_keys_slows_down_no_one_who_has_one(serve: Serve, make_key: MakeKey):
    secret = make_key("read")
    async with serve(limits={"requests_per_s": 0.001, "burst": 2}) as http:
        guesses = [await http.get("/v1/streams", headers=bearer(f"hermes_0_{n}")) for n in range(3)]
        assert [response.status_code for response in guesses] == [401, 401, 429]
        assert (await http.get("/v1/streams", headers=bearer(secret))).status_code == 200
