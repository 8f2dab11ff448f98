"""OpenAI's /v1/responses, through OpenAI's own client."""

from collections.abc import AsyncIterator

import openai
import pytest

from hermes_ray.api.engine_backend import EngineBackend
from hermes_ray.config import ApiSettings, Settings
from hermes_ray.engine import Question, StreamEngine
from tests.unit.api.conftest import FRAMES, STREAM, app_of, in_process

MODEL = f"stream/{STREAM}"
QUESTION = "What is there?"


@pytest.fixture
async def client(url: str) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="unused", max_retries=0) as client:
        yield client


async def test_a_response_is_the_answer_to_the_whole_conversation(client: openai.AsyncOpenAI, engine: StreamEngine):
    first = await client.responses.create(model=MODEL, input="who came ?", max_output_tokens=4)
    following = [{"role": "user", "content": "who came ?"}, *first.output, {"role": "user", "content": QUESTION}]
    second = await client.responses.create(
        model=MODEL, input=following, instructions="what did you see ?", max_output_tokens=6
    )
    asked = Question(QUESTION, 6, history=(("who came ?", first.output_text),), instructions="what did you see ?")
    expected = engine.ask(STREAM, asked).result(30)
    assert second.output_text == expected.text
    assert second.usage.input_tokens == expected.prompt_tokens
    assert second.status == {"stop": "completed", "length": "incomplete"}[expected.finish_reason]
    assert second.model_extra["hermes"]["frames_seen"] == FRAMES
    assert second.model_extra["warnings"] == []


async def test_a_streamed_response_adds_up_to_the_whole_one(client: openai.AsyncOpenAI):
    asked = {"model": MODEL, "input": QUESTION, "max_output_tokens": 6}
    whole = await client.responses.create(**asked)
    async with client.responses.stream(**asked) as stream:
        events = [event async for event in stream]
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == whole.output_text
    assert [event.sequence_number for event in events] == list(range(len(events)))
    last = events[-1].response
    assert (last.output_text, last.status, last.usage) == (whole.output_text, whole.status, whole.usage)


async def test_what_cannot_hurt_is_ignored_and_the_response_says_so(client: openai.AsyncOpenAI):
    response = await client.responses.create(
        model=MODEL, input=QUESTION, max_output_tokens=2, store=True, text={"format": {"type": "text"}}, user="ann"
    )
    assert {warning.partition(":")[0] for warning in response.model_extra["warnings"]} == {"store", "user"}


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"tools": [{"type": "web_search"}]}, "tools: "),
        ({"previous_response_id": "resp_1"}, "previous_response_id: "),
        ({"text": {"format": {"type": "json_object"}}}, "text.format: "),
        ({"background": True}, "background: "),
        ({"input": [{"type": "function_call_output", "call_id": "1", "output": "x"}]}, "input.0.role: "),
        ({"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "x"}]}]}, "input.0.content: "),
    ],
)
async def test_what_a_camera_cannot_honour_is_refused_by_name(client: openai.AsyncOpenAI, options: dict, reason: str):
    with pytest.raises(openai.UnprocessableEntityError, match=reason):
        await client.responses.create(**({"model": MODEL, "input": QUESTION} | options))


async def test_a_response_that_fails_half_way_raises_after_its_tokens(engine: StreamEngine):
    settings = Settings(api=ApiSettings(request_timeout_s=1.5))
    async with in_process(app_of(EngineBackend(engine), settings)) as http:
        client = openai.AsyncOpenAI(base_url="http://localhost/v1", api_key="unused", max_retries=0, http_client=http)
        stream = await client.responses.create(model=MODEL, input=QUESTION, max_output_tokens=4096, stream=True)
        assert (await anext(stream)).type == "response.created"
        with pytest.raises(openai.APIError, match="within"):
            async for _ in stream:
                pass
