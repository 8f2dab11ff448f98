"""The scrape over an engine in this process."""

import asyncio

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families

from hermes_ray.api.engine_backend import EngineBackend
from hermes_ray.config import ApiSettings, MetricsSettings, Settings
from hermes_ray.engine import StreamEngine
from tests.unit.api.conftest import FRAMES, STREAM, app_of, in_process


async def scrape(http: httpx.AsyncClient) -> dict[tuple[str, ...], float]:
    """Value by sample name and label values, the worker's left out."""
    response = await http.get("/metrics")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain; version=")
    return {
        (sample.name, *(value for label, value in sorted(sample.labels.items()) if label != "worker")): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }


async def test_an_answer_shows_in_the_scrapes_after_it(http: httpx.AsyncClient):
    before = await scrape(http)
    answer = await http.post(f"/v1/streams/{STREAM}/query", json={"question": "What is there?", "max_tokens": 3})
    async with asyncio.timeout(10):  # the engine counts at the end of the step whose last word the caller has already
        while (after := await scrape(http))["hermes_answers_total",] == before["hermes_answers_total",]:
            assert answer.status_code == 200
            await asyncio.sleep(0.01)

    def grown(name: str) -> float:
        return after[name,] - before[name,]

    assert grown("hermes_questions_total") == 1
    assert grown("hermes_answers_total") == 1
    assert grown("hermes_time_to_first_token_seconds_count") == 1
    tokens = answer.json()["usage"]["completion_tokens"]
    assert grown("hermes_answer_tokens_total") == tokens
    assert grown("hermes_time_per_token_seconds_count") == tokens - 1
    assert after["hermes_frames_applied_total",] == before["hermes_frames_applied_total",] >= FRAMES


async def test_a_failed_question_shows_under_its_code(http: httpx.AsyncClient):
    failed = ("hermes_question_errors_total", "unknown-stream")
    before = await scrape(http)
    await http.post("/v1/streams/nobody/query", json={"question": "What is there?"})
    after = await scrape(http)
    assert after[failed] - before[failed] == 1


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("path", [f"/v1/streams/{STREAM}/query", "/v1/chat/completions"])
async def test_a_question_that_fails_half_way_is_what_its_caller_saw(engine: StreamEngine, path: str, stream: bool):
    question = {"stream": stream, "max_tokens": 4000}
    if path.startswith("/v1/chat"):
        question |= {"model": f"stream/{STREAM}", "messages": [{"role": "user", "content": "What is there?"}]}
    else:
        question |= {"question": "What is there?"}
    failed = ("hermes_question_problems_total", "question-timeout")
    app = app_of(EngineBackend(engine), Settings(api=ApiSettings(request_timeout_s=0.5)))
    async with in_process(app) as http:
        await http.post(path, json=question)
        seen = []
        for _ in range(25):  # routers report every second
            seen.append((await scrape(http))[failed])
            await asyncio.sleep(0.1)
    assert (seen[-1], max(seen)) == (1, 1)


async def test_streams_have_series_only_where_they_are_switched_on(http: httpx.AsyncClient, engine: StreamEngine):
    assert not any(STREAM in sample for sample in await scrape(http))
    settings = Settings(metrics=MetricsSettings(per_stream=True))
    app: FastAPI = app_of(EngineBackend(engine), settings)
    async with in_process(app) as switched_on:
        assert (await scrape(switched_on))["hermes_stream_frames", STREAM] == FRAMES


async def test_openmetrics_is_served_to_those_who_ask_for_it(http: httpx.AsyncClient):
    response = await http.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert response.headers["content-type"].startswith("application/openmetrics-text")
    assert response.text.endswith("# EOF\n")
