"""Asking one stream over HTTP."""

import json

import httpx
import pytest

from hermes_ray.engine import Question, StreamEngine
from tests.unit.api.conftest import FIRST_TS_MS, FRAMES, STREAM, is_cancelled

QUERY = f"/v1/streams/{STREAM}/query"
LONG = {"question": "What happens?", "max_tokens": 4096}


def events_of(body: str) -> list[tuple[str, dict]]:
    """Name and data of each event; written against the wire format, not with our client."""
    blocks = [block.splitlines() for block in body.strip().split("\n\n")]
    return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in blocks]


async def test_an_answer_says_what_it_rests_on(http: httpx.AsyncClient):
    response = await http.post(QUERY, json={"question": "What is there?", "max_tokens": 5})

    assert response.status_code == 200
    answer = response.json()
    assert answer.pop("ttft_ms") > 0
    assert answer.pop("age_ms") > 0
    usage = answer.pop("usage")
    assert usage["prompt_tokens"] > 0
    assert 1 <= usage["completion_tokens"] <= 5
    assert isinstance(answer.pop("answer"), str)
    assert answer.pop("finish_reason") in ("stop", "length")
    evidence = answer.pop("evidence")
    assert {item["frame"] for item in evidence} <= set(range(FRAMES))
    assert sum(item["weight"] for item in evidence) == pytest.approx(1, abs=1e-3)
    assert answer == {
        "stream": STREAM,
        "question": "What is there?",
        "as_of_ms": FIRST_TS_MS + 1000 * (FRAMES - 1),
        "as_of": "2026-01-02T03:04:07.000Z",
        "frames_seen": FRAMES,
        "worker": "local",
        "options": [],
        "history": [],
        "warnings": [],
    }


async def test_streamed_tokens_add_up_to_the_answer(http: httpx.AsyncClient):
    question = {"question": "What is there?", "max_tokens": 8}
    whole = (await http.post(QUERY, json=question)).json()
    response = await http.post(QUERY, json=question | {"stream": True})

    assert response.headers["content-type"].startswith("text/event-stream")
    *tokens, (last_name, last) = events_of(response.text)
    assert {name for name, _ in tokens} == {"token"}
    assert [token["index"] for _, token in tokens] == list(range(len(tokens)))
    assert last_name == "answer"
    assert "".join(token["text"] for _, token in tokens) == last["answer"]
    measured = {"ttft_ms": 0, "age_ms": 0}
    assert last | measured == whole | measured


async def test_a_seed_makes_sampling_repeatable(http: httpx.AsyncClient):
    question = {"question": "What is there?", "max_tokens": 12, "temperature": 2.0}
    answers = [(await http.post(QUERY, json=question | {"seed": seed})).json()["answer"] for seed in (1, 1, 2)]
    assert answers[0] == answers[1]
    assert answers[0] != answers[2]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/v1/streams/nobody/query", {"question": "q"}, 404, "unknown-stream"),
        ("/v1/streams/not%20an%20id/query", {"question": "q"}, 422, "invalid-stream-id"),
        (QUERY, {"question": ""}, 422, "invalid-question"),
        (QUERY, {"question": " \n\t"}, 422, "invalid-question"),
        (QUERY, {"question": "word " * 2000}, 422, "invalid-question"),
        (QUERY, LONG | {"timeout_s": 1e-6}, 504, "question-timeout"),
    ],
)
async def test_a_question_that_fails_has_its_own_status_streamed_or_not(
    http: httpx.AsyncClient, path: str, body: dict, status: int, code: str, stream: bool
):
    response = await http.post(path, json=body | {"stream": stream})
    assert (response.status_code, response.json()["code"]) == (status, code)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_tokens", 0),
        ("max_tokens", "many"),
        ("max_tokens", "5"),
        ("max_tokens", True),
        ("temperature", "0.5"),
        ("stream", 0),
        ("temperature", -0.1),
        ("temperature", 2.1),
        ("seed", -1),
        ("timeout_s", 0),
        ("timeout_s", 601),
        ("question", 5),
        ("as_of", "yesterday"),
        ("as_of", "2026-01-02T03:04:05"),  # of which time zone?
        ("as_of", 1767323045678),  # seconds or milliseconds?
        ("options", "yes"),
        ("options", ["no"] * 65),
        ("session_id", ""),
        ("max_token", 5),  # to ignore a misspelt field would answer another question than was asked
    ],
)
async def test_a_wrong_or_unknown_field_is_refused_by_name(http: httpx.AsyncClient, field: str, value: object):
    response = await http.post(QUERY, json={"question": "q"} | {field: value})
    assert response.status_code == 422
    assert response.json()["code"] == "invalid-request"
    assert [error["field"] for error in response.json()["errors"]] == [field]


async def test_every_wrong_field_is_listed(http: httpx.AsyncClient):
    response = await http.post(QUERY, json={"max_tokens": 0, "temperature": "hot"})
    assert {error["field"] for error in response.json()["errors"]} == {"question", "max_tokens", "temperature"}


async def test_a_full_queue_says_when_to_come_back(http: httpx.AsyncClient, engine: StreamEngine):
    answers = [engine.ask(STREAM, Question("What happens?", max_tokens=4096)) for _ in range(4)]
    try:
        responses = [await http.post(QUERY, json={"question": "q", "stream": stream}) for stream in (False, True)]
    finally:
        for answer in answers:
            answer.cancel()
    for response in responses:
        assert (response.status_code, response.json()["code"]) == (429, "overloaded")
        assert int(response.headers["retry-after"]) >= 1


async def test_a_timeout_half_way_is_an_error_event(http: httpx.AsyncClient):
    response = await http.post(QUERY, json=LONG | {"timeout_s": 1.5, "stream": True})
    assert response.status_code == 200
    *tokens, (last_name, problem) = events_of(response.text)
    assert tokens
    assert (last_name, problem["code"], problem["status"]) == ("error", "question-timeout", 504)


async def test_leaving_a_streamed_answer_cancels_it(url: str, engine: StreamEngine):
    answered = engine.stats().questions_answered
    async with httpx.AsyncClient(base_url=url) as client:
        async with client.stream("POST", QUERY, json=LONG | {"stream": True}) as response:
            assert (await anext(response.aiter_lines())) == "event: token"
        assert await is_cancelled(engine, answered)


async def test_leaving_a_whole_answer_cancels_it(url: str, engine: StreamEngine):
    answered = engine.stats().questions_answered
    async with httpx.AsyncClient(base_url=url, timeout=0.3) as client:
        with pytest.raises(httpx.ReadTimeout):
            await client.post(QUERY, json=LONG)
    assert await is_cancelled(engine, answered)


async def test_a_choice_is_one_of_the_options_with_its_probability(http: httpx.AsyncClient):
    options = ["a red car", "a dog", "nothing"]
    answer = (await http.post(QUERY, json={"question": "What is there?", "options": options})).json()
    assert [item["option"] for item in answer["options"]] == options
    assert sum(item["probability"] for item in answer["options"]) == pytest.approx(1)
    assert answer["answer"] == max(answer["options"], key=lambda item: item["probability"])["option"]


@pytest.mark.parametrize("options", [["yes"], ["yes", "yes"], ["yes", " "]])
async def test_options_that_are_no_choice_are_an_invalid_question(http: httpx.AsyncClient, options: list[str]):
    response = await http.post(QUERY, json={"question": "What is there?", "options": options})
    assert (response.status_code, response.json()["code"]) == (422, "invalid-question")
    assert "options" in response.json()["detail"]


async def test_a_moment_that_is_seen_already_is_answered_at_once(http: httpx.AsyncClient):
    question = {"question": "What is there?", "max_tokens": 1, "as_of": "2026-01-02T04:04:07+01:00"}
    answer = (await http.post(QUERY, json=question)).json()
    assert answer["as_of"] == "2026-01-02T03:04:07.000Z"


async def test_a_moment_that_does_not_come_in_time_is_a_timeout(http: httpx.AsyncClient):
    question = {"question": "What is there?", "as_of": "2026-01-02T03:04:17Z", "timeout_s": 0.3}
    response = await http.post(QUERY, json=question)
    assert (response.status_code, response.json()["code"]) == (504, "question-timeout")


@pytest.mark.parametrize(
    ("stream", "as_of", "code"),
    [("nobody", "2026-01-02T03:04:17Z", "unknown-stream"), (STREAM, "9999-01-01T00:00:00Z", "invalid-question")],
)
async def test_what_can_never_come_is_not_waited_for(http: httpx.AsyncClient, stream: str, as_of: str, code: str):
    question = {"question": "What is there?", "as_of": as_of, "timeout_s": 600}
    response = await http.post(f"/v1/streams/{stream}/query", json=question)
    assert response.json()["code"] == code


async def test_a_session_reads_its_earlier_turns_again(http: httpx.AsyncClient):
    question = {"question": "What is there?", "max_tokens": 3, "session_id": "of this test"}
    sizes = [(await http.post(QUERY, json=question)).json()["usage"]["prompt_tokens"] for _ in range(2)]
    assert sizes[1] > sizes[0]
