"""A question with history reads the journal."""

from tests.unit.api.conftest import STREAM, in_process
from tests.unit.events.conftest import line


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
